"""Twenty canaries, each a key of another form, through every way in and out: none comes out."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from pydantic import BaseModel, SecretStr
from starlette.testclient import TestClient

from playhead import Agent, Redactor, Retry, Runtime, Telemetry, ToolError, tool
from playhead.cli import main
from playhead.events.errors import ModelError
from playhead.events.event import Block
from playhead.events.key_formats import KEY_FORMATS, hide_keys
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.events.usage import Usage
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.testing import ScriptedModel, call
from playhead.tools.tool import AnyTool
from tests.telemetry.traced import Spans

R = "q7Zk2Wm9Xp4Rt6Yb8Nc3Vd5Fg1Hj0LsAqWeRtYu"
"""So that no canary looks like another one's placeholder."""
HEX = "0123456789abcdef" * 4

CANARIES = {
    "anthropic-key": f"sk-ant-api03-{R}",
    "openai-key": f"sk-proj-{R}",
    "aws-key": "AKIA" + "QZ7XW3RT5YUI2OPA",
    "aws-secret": "aws_secret_access_key = " + (R + "x")[:40],
    "github-token": f"ghp_{R[:36]}",
    "github-fine": f"github_pat_{R}",
    "gitlab-token": f"glpat-{R[:20]}",
    "slack-token": f"xoxb-{R[:24]}",
    "slack-webhook": f"https://hooks.slack.com/services/{R[:24]}",
    "google-key": "AIza" + R[:35],
    "google-token": f"ya29.{R}",
    "stripe-key": f"sk_live_{R[:24]}",
    "sendgrid-key": f"SG.{R[:20]}.{R[:30]}",
    "twilio-key": "SK" + HEX[:32],
    "npm-token": f"npm_{R[:36]}",
    "huggingface-token": f"hf_{R[:34]}",
    "azure-key": "AccountKey=" + R + "==",
    "json-web-token": f"eyJ{R[:12]}.eyJ{R[:16]}.{R[:20]}",
    "private-key": f"-----BEGIN RSA PRIVATE KEY-----\n{R}\n-----END RSA PRIVATE KEY-----",
    "password": f"postgres://admin:{R[:20]}@db.internal/x",
}
assert len(CANARIES) == 20
SECRETS = [R[:12], HEX[:24], "QZ7XW3RT5YUI2OPA"]
"""What each canary holds of."""
ALL = " | ".join(CANARIES.values())


def canaries_in(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    return [secret for secret in SECRETS if secret.encode() in data]


@tool(effect="read")
def look(what: str) -> dict[str, Any]:
    """Look something up in the store of the house."""
    return {"found": ALL, "list": [{"deep": ALL}], ALL: "as a key"}


@tool(effect="read")
def refuse(what: str) -> str:
    """Refuse to do something, for a reason."""
    raise ToolError(ALL, hint=ALL)


@tool(effect="read")
def crash(what: str) -> str:
    """Crash while something is being done."""
    raise RuntimeError(ALL)


@tool(approval=True)
def pay(what: str) -> str:
    """Pay for something that was bought."""
    return ALL


TOOLS: list[AnyTool] = [look, refuse, crash, pay]


def script() -> list[Any]:
    thinking = {"type": "thinking", "thinking": ALL, "signature": "c2ln"}
    return [
        ModelError("overloaded", ALL, retryable=True),
        [thinking, ALL, *(call(t.spec.name, what=ALL) for t in TOOLS)],
        ALL,
    ]


@pytest.fixture
def program_log() -> Iterator[io.StringIO]:
    """Everything that is said to the program, tracebacks included."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(said),
    )
    yield said
    structlog.reset_defaults()
    logging.getLogger().removeHandler(handler)


def secretive_run(path: Path, spans: Spans, meters: MeterProvider) -> str:
    agent = Agent(
        name="clerk", instructions=ALL, model=ScriptedModel(script()), tools=TOOLS,
        retry=Retry(attempts=2, base=0.0),
    )  # fmt: skip
    with Runtime(
        path,
        [agent],
        telemetry=Telemetry(tracer_provider=spans.provider, meter_provider=meters, content=True),
    ) as runtime:
        run = runtime.start(agent, ALL, metadata={"who": ALL})
        next(r for r in run.events() if r.event.kind == "approval_requested")
        run.send(ALL)
        (asked,) = run.approvals()
        run.deny(asked.call, ALL)
        answer = run.wait().answer
        assert canaries_in(answer) == []
        files = [p for p in path.parent.iterdir() if p.name.startswith(path.name)]
        assert any(p.name.endswith("-wal") for p in files)
        leaks = {p.name: canaries_in(p.read_bytes()) for p in files if not p.is_dir()}
        assert set(map(tuple, leaks.values())) == {()}, leaks
        return run.id


def test_no_canary_reaches_any_sink(
    tmp_path: Path, program_log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    path, spans, reader = tmp_path / "log.db", Spans(), InMemoryMetricReader()
    run = secretive_run(path, spans, MeterProvider([reader], shutdown_on_exit=False))
    metrics = reader.get_metrics_data()
    assert metrics is not None
    assert "tool_call.traceback" in program_log.getvalue()
    sinks: dict[str, str | bytes] = {
        "spans": repr(spans.seen()),
        "metrics": metrics.to_json(),
        "the program's log": program_log.getvalue(),
    }
    for command in (
        ["show", run, "--thoughts", "--full"], ["show", run, "--records", "--json"], ["runs"],
        ["why", run], ["metrics", "--prometheus"], ["metrics", "--json"],
        ["show", run, "--at", "9", "--full"], ["causes", run, "9", "--forward"], ["tail", run],
        ["context", run, "--why"], ["cost", run],
        ["export", run, "-o", str(tmp_path / "run.jsonl")], ["export", run, "--redact"],
        ["backup", str(tmp_path / "copy.db")],
    ):  # fmt: skip
        assert main([*command, "--log", str(path)]) == 0, command
        out, err = capsys.readouterr()
        sinks[" ".join(command)] = out + err
    log = SqliteReader(path)
    library = Library(log)
    with TestClient(Pages(library).app()) as client:
        for page in (
            "",
            "/waterfall",
            "/records",
            "/cost",
            "/plan",
            "/memory",
            "/fork",
            "/export",
            "/rows",
            *(f"/at/{n}" for n in range(1, 20)),
        ):
            sinks[f"page {page}"] = client.get(f"/runs/{run}{page}").text
        for page in ("/", "/metrics", "/metrics.txt", "/waiting", "/memory"):
            sinks[f"page {page}"] = client.get(page).text
    library.close()
    log.close()
    assert (tmp_path / "run.jsonl").stat().st_size > 1000
    for file in tmp_path.iterdir():
        sinks[f"file {file.name}"] = file.read_bytes()
    assert "[redacted anthropic-key]" in str(sinks["spans"])
    assert {name: found for name, text in sinks.items() if (found := canaries_in(text))} == {}


@pytest.mark.parametrize("name", CANARIES)
def test_each_form_of_key_is_hidden_wherever_it_stands(name: str) -> None:
    for text in ("{}", "key={}", '{{"token": "{}"}}', "see ({}), or\n{}\n"):
        assert canaries_in(hide_keys(text.format(CANARIES[name], CANARIES[name]))) == []


@pytest.mark.parametrize(
    "text",
    [
        "ask-and-answer, task-force, risk-free", "sk-learn", "https://example.org/a:b@c", "SK-1",
        "the token is short: ghp_x", "AKIA is a prefix", "a basic idea: authorization is needed",
        "commit 0123456789abcdef0123456789abcdef01234567", "eyJhbGciOiJ9 alone", "SG.x.y",
    ],
)  # fmt: skip
def test_what_only_looks_a_little_like_a_key_stays(text: str) -> None:
    assert hide_keys(text) == text


@given(st.text(max_size=200))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    once = hide_keys(text + ALL)
    assert hide_keys(once) == once


def test_a_format_is_found_by_its_markers() -> None:
    """A marker that a key of the form may lack would let that key through."""
    for name, canary in CANARIES.items():
        fitting = [known for known in KEY_FORMATS if known.pattern.search(canary)]
        assert fitting, name
        assert all(any(m in canary for m in known.markers) for known in fitting), name


def hidden(redactor: Redactor, result: Any) -> Any:
    event = redactor.event(ToolSucceeded(result=result, duration_ms=1))
    assert isinstance(event, ToolSucceeded)
    return event.result


def test_patterns_fields_and_functions_hide_what_only_one_house_knows() -> None:
    assert hidden(Redactor([r"customer-\d+"]), "see customer-17") == "see [redacted]"
    fields = Redactor(fields=["Password"])
    assert hidden(fields, {"password": "hunter2", "user": "u"}) == {
        "password": "[redacted]", "user": "u",
    }  # fmt: skip
    assert hidden(fields, {"PASSWORD": {"a": 1, "b": [True, "x"]}}) == {
        "PASSWORD": {"a": "[redacted]", "b": [True, "[redacted]"]}
    }
    assert hidden(Redactor(change=str.upper), ["a", {"b": "c"}]) == ["A", {"B": "C"}]


def test_nothing_is_hidden_only_when_that_is_asked_for() -> None:
    key = CANARIES["anthropic-key"]
    assert hidden(Redactor(formats=()), key) == key
    assert hidden(Redactor(["x"]), key) == "[redacted anthropic-key]"


def test_an_event_without_secrets_is_not_even_copied() -> None:
    event = ToolSucceeded(result="nothing to hide", duration_ms=1)
    assert Redactor().event(event) is event


def test_what_the_api_signed_is_kept_as_it_is_or_left_out_whole() -> None:
    signed: Block = {"type": "thinking", "thinking": "fine", "signature": "sk-" + R}
    leaky: Block = {"type": "thinking", "thinking": ALL, "signature": "c2ln"}
    event = ModelAnswered(
        content=(signed, leaky), stop_reason="end_turn", usage=Usage(), model="m", duration_ms=1
    )
    content = Redactor().event(event).content  # type: ignore[attr-defined]
    assert content == (signed, {"type": "text", "text": "[redacted]"})


def test_a_field_that_its_type_says_is_secret_never_leaves_the_tool() -> None:
    class Account(BaseModel):
        name: str
        pin: SecretStr

    @tool(effect="read")
    def account() -> Account:
        """Look up the account of the house."""
        return Account(name="a", pin=SecretStr("hunter2"))

    log = MemoryLog()
    someone = Agent(name="a", model=ScriptedModel([call("account"), "Done."]), tools=[account])
    with Runtime(log, [someone]) as runtime:
        runtime.run(someone, "Look.")
    assert "hunter2" not in repr(list(log.follow()))
