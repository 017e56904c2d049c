"""The program's own log: one line a start, one a success or failure, in its own settings."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from playhead import Runtime
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.testing import call
from tests.telemetry.traced import Spans, agent, tracing

Line = dict[str, Any]


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """The program's structlog, which keeps its lines here; as it was afterwards."""
    kept = structlog.testing.LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, kept])
    yield kept.entries  # type: ignore[misc]
    structlog.reset_defaults()


def named(lines: list[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


def test_a_call_is_a_line_when_it_starts_and_one_when_it_ends(lines: list[Line]) -> None:
    log, spans, someone = MemoryLog(), Spans(), agent([call("add", a=1, b=2), "It is 3."])
    with tracing(log, spans, someone) as runtime:
        run = runtime.run(someone, "Add.", session="s").run_id
    (start,), (success,) = named(lines, "tool_call.start"), named(lines, "tool_call.success")
    span = spans.one("execute_tool add")
    about = {
        "session": "s", "run": run, "seq": span.about["playhead.seq"], "tool": "add",
        "arguments": {"a": 1, "b": 2}, "attempt": 1, "log_level": "info",
        "trace_id": f"{span.trace:032x}", "span_id": f"{span.id:016x}",
    }  # fmt: skip
    assert start == {**about, "event": "tool_call.start"}
    assert success.pop("duration_ms") >= 0
    assert success == {**about, "event": "tool_call.success", "result_chars": 1}
    assert len(named(lines, "model_call.start")) == len(named(lines, "model_call.success")) == 2


def test_a_failure_says_what_went_wrong(lines: list[Line]) -> None:
    busy = ModelError("overloaded", "come back later", retryable=True)
    someone = agent([busy, call("fail", why="no such day"), call("nothing"), "Done."])
    with Runtime(MemoryLog(), [someone]) as runtime:
        runtime.run(someone, "Fail.")
    (model,) = named(lines, "model_call.failure")
    assert (model["error_type"], model["error_msg"]) == ("overloaded", "come back later")
    failed, refused = named(lines, "tool_call.failure")
    assert (failed["error_type"], failed["error_msg"]) == ("ToolError", "no such day")
    assert refused["error_type"] == "unknown_tool"
    assert {line["log_level"] for line in (model, failed, refused)} == {"warning"}


def test_arguments_are_redacted_as_in_the_event(lines: list[Line]) -> None:
    someone = agent([call("fail", why="key sk-123"), "Done."])

    def redact(text: str) -> str:
        return text.replace("sk-123", "***")

    with Runtime(MemoryLog(), [someone], redact=redact) as runtime:
        runtime.run(someone, "Fail.")
    assert named(lines, "tool_call.start")[0]["arguments"] == {"why": "key ***"}
    assert "sk-123" not in repr(lines)


def test_a_program_that_wants_only_warnings_gets_only_failures(lines: list[Line]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    someone = agent([call("fail", why="no"), call("add", a=1, b=2), "Done."])
    with Runtime(MemoryLog(), [someone]) as runtime:
        runtime.run(someone, "Go on.")
    calls = [line["event"] for line in lines if line["event"] != "tool.lint"]
    assert calls == ["tool_call.failure"]


@pytest.mark.parametrize("wrapper", [structlog.stdlib.BoundLogger, structlog.BoundLogger])
def test_loggers_of_the_standard_library_get_the_lines_that_their_level_lets_through(
    wrapper: type[Any], lines: list[Line], caplog: pytest.LogCaptureFixture
) -> None:
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=wrapper,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    caplog.set_level("WARNING", logger="playhead.calls")
    someone = agent([call("fail", why="no"), "Done."])
    with Runtime(MemoryLog(), [someone]) as runtime:
        runtime.run(someone, "Go on.")
    calls = [record.message for record in caplog.records if record.message != "tool.lint"]
    assert calls == ["tool_call.failure"]


def test_a_processor_that_raises_does_not_harm_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> str:
        raise ValueError

    structlog.configure(processors=[broken])
    try:
        someone = agent(["Hello."])
        with Runtime(MemoryLog(), [someone]) as runtime:
            assert runtime.run(someone, "Greet.").output == "Hello."
    finally:
        structlog.reset_defaults()
    assert "the program log failed: ValueError()" in capsys.readouterr().err
