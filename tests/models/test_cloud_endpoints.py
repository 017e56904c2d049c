"""Bedrock and Vertex, against stubs that check paths and signatures as the clouds do."""

import asyncio
import base64
import json
from binascii import crc32
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from struct import pack
from typing import Any
from urllib.parse import unquote

import pytest
from anthropic.lib.bedrock import AsyncAnthropicBedrock
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from playhead import Agent, Runtime, Target
from playhead.assembly.models import endpoint_model
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.testing.model_contract import run
from playhead.testing.stub_server import JSON, Answer, StubServer
from playhead.tools.models.anthropic import AnthropicModel
from tests.support.agents import add
from tests.support.messages_api import call, message_events, sse, text
from tests.support.rendered import request_of

AUTH: Any = import_module("botocore.auth")  # untyped
AWS_REQUEST: Any = import_module("botocore.awsrequest")
CREDENTIALS: Any = import_module("botocore.credentials")

KEY, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "eu-west-1"
MODEL = "anthropic.claude-sonnet-4-6-v1:0"
AWS_STREAM = {"content-type": "application/vnd.amazon.eventstream"}

Events = Iterable[dict[str, Any]]


def frame(payload: bytes, **headers: str) -> bytes:
    """One message of AWS's event stream encoding."""
    named = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack(">II", 16 + len(named) + len(payload), len(named))
    body = prelude + pack(">I", crc32(prelude)) + named + payload
    return body + pack(">I", crc32(body))


def aws_stream(events: Events) -> bytes:
    frames: list[bytes] = []
    for event in events:
        chunk = {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}
        headers = {":event-type": "chunk", ":content-type": "application/json"}
        frames.append(frame(json.dumps(chunk).encode(), **headers, **{":message-type": "event"}))
    return b"".join(frames)


class Cloud:
    """A stub's policy that sees the whole request, and answers in order if it is in order."""

    def __init__(self, wrong: Callable[["Cloud", bytes], str | None], *said: Answer) -> None:
        self._wrong = wrong
        self._said = iter(said)
        self.server = StubServer(self.answer)

    def answer(self, body: bytes) -> Answer:
        if (why := self._wrong(self, body)) is not None:
            return Answer(json.dumps({"message": why}).encode(), 403, JSON)
        return next(self._said)


def wrong_signature(cloud: Cloud, body: bytes) -> str | None:
    """By the cloud's own rules: the signature of exactly these bytes, headers and path."""
    headers, path = cloud.server.headers[-1], cloud.server.paths[-1]
    given = headers.get("authorization", "")
    scope, _, rest = given.removeprefix("AWS4-HMAC-SHA256 Credential=").partition(", ")
    if scope.split("/")[0] != KEY or scope.split("/")[2:] != [REGION, "bedrock", "aws4_request"]:
        return f"a scope of {scope!r}"
    signed = rest.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWS_REQUEST.AWSRequest("POST", f"http://{headers['host']}{path}", data=body, headers={
        name: headers[name] for name in signed if name not in ("host", "x-amz-date")
    })  # fmt: skip
    signer = AUTH.SigV4Auth(CREDENTIALS.Credentials(KEY, SECRET), "bedrock", REGION)
    request.context["timestamp"] = headers["x-amz-date"]
    request.headers["X-Amz-Date"] = headers["x-amz-date"]
    canonical = signer.canonical_request(request)
    wanted = signer.signature(signer.string_to_sign(request, canonical), request)
    return None if given.endswith(f"Signature={wanted}") else "the signature does not match"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


HELLO = [text("I add."), call("add", {"a": 1, "b": 2})]


def told(blocks: Sequence[dict[str, Any]], stop: str = "end_turn") -> Events:
    return message_events(blocks, stop)


def test_a_run_over_bedrock_is_signed_and_asks_at_the_models_own_path(
    aws: pytest.MonkeyPatch,
) -> None:
    said = [
        Answer(aws_stream(told(HELLO, "tool_use")), headers=AWS_STREAM),
        Answer(aws_stream(told([text("3")])), headers=AWS_STREAM),
    ]
    cloud = Cloud(wrong_signature, *said)
    target = Target(model=MODEL, endpoint="bedrock")
    agent = Agent(name="a", tools=[add], routing={"reasoning": [target]})
    with cloud.server as server:
        aws.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)
        where = {"bedrock": f"bedrock:{REGION}"}
        with Runtime(MemoryLog(), base_url="http://127.0.0.1:9", endpoints=where) as runtime:
            result = runtime.run(agent, "What is 1 + 2?")
            assert result.answer == "3"
            assert runtime.replay(result.run_id).matches
        paths = [unquote(path) for path in server.paths]
        assert paths == [f"/model/{MODEL}/invoke-with-response-stream"] * 2
        body = json.loads(server.bodies[0])
        assert "anthropic_version" in body
        assert not {"model", "stream"} & body.keys()
        assert [block["type"] for block in json.loads(server.bodies[1])["messages"][1]["content"]] \
            == ["text", "tool_use"]  # fmt: skip


@pytest.mark.parametrize(("secret", "region", "why"), [
    ("another", REGION, "signature does not match"), (SECRET, "us-east-1", "a scope of"),
])  # fmt: skip
def test_a_wrong_secret_or_region_is_refused_by_bedrock_and_named(
    secret: str, region: str, why: str
) -> None:
    async def scenario(url: str) -> None:
        client = AsyncAnthropicBedrock(
            base_url=url, aws_access_key=KEY, aws_secret_key=secret, aws_region=region
        )
        async with client:
            await AnthropicModel(client=client).reply(request_of("hi", model=MODEL), lambda _: None)

    cloud = Cloud(wrong_signature)
    with cloud.server as server, pytest.raises(ModelError, match=why) as raised:
        asyncio.run(scenario(server.url))
    assert (raised.value.error, raised.value.status) == ("permission", 403)


def test_a_bedrock_stream_cut_at_any_frame_is_never_a_reply(aws: pytest.MonkeyPatch) -> None:
    whole = aws_stream(told([text("Hi"), call("add", {"a": 1})], "tool_use"))
    cuts = range(0, len(whole), 41)
    answers = [Answer(whole, headers=AWS_STREAM, cut=n) for n in cuts]
    cloud = Cloud(wrong_signature, *answers)
    with cloud.server as server:
        aws.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)
        for _ in cuts:
            with pytest.raises(ModelError) as raised:
                ask(f"bedrock:{REGION}")
            assert raised.value.retryable


def test_an_error_inside_a_bedrock_stream_is_told(aws: pytest.MonkeyPatch) -> None:
    begun = aws_stream(list(told([text("So far")]))[:4])
    headers = {":exception-type": "throttlingException", ":content-type": "application/json"}
    said = json.dumps({"message": "slow down"}).encode()
    failed = frame(said, **headers, **{":message-type": "exception"})
    cloud = Cloud(wrong_signature, Answer(begun + failed, headers=AWS_STREAM))
    with cloud.server as server:
        aws.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)
        with pytest.raises(ModelError, match="slow down") as raised:
            ask(f"bedrock:{REGION}")
    assert raised.value.retryable


TOKEN = "ya29.token"


def wrong_token(cloud: Cloud, body: bytes) -> str | None:
    if cloud.server.headers[-1].get("authorization") != f"Bearer {TOKEN}":
        return "no token of ours"
    return None if "model" not in json.loads(body) else "model belongs into the path"


def account(token_uri: str) -> dict[str, Any]:
    """A service account whose tokens come from a server on this machine."""
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account", "project_id": "mine", "private_key": pem,
        "client_email": "me@mine.iam.example", "token_uri": token_uri,
    }  # fmt: skip


def test_a_run_over_vertex_carries_a_token_and_asks_at_the_models_own_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = [Answer(sse(told(HELLO, "tool_use"))), Answer(sse(told([text("3")])))]
    cloud = Cloud(wrong_token, *said)
    token = Answer(
        json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode(),
        headers=JSON,
    )
    target = Target(model="claude-sonnet-4-6@20260101", endpoint="vertex")
    agent = Agent(name="a", tools=[add], routing={"reasoning": [target]})
    with cloud.server as server, StubServer([token]) as issuer:
        (tmp_path / "account.json").write_text(json.dumps(account(f"{issuer.url}/token")))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        monkeypatch.setenv("ANTHROPIC_VERTEX_BASE_URL", f"{server.url}/v1")
        where = {"vertex": "vertex:mine/europe-west1"}
        with Runtime(MemoryLog(), base_url="http://127.0.0.1:9", endpoints=where) as runtime:
            result = runtime.run(agent, "What is 1 + 2?")
            assert result.answer == "3"
        path = "/v1/projects/mine/locations/europe-west1/publishers/anthropic/models/"
        asked = [unquote(each) for each in server.paths]
        assert asked == [f"{path}claude-sonnet-4-6@20260101:streamRawPredict"] * 2
        assert "anthropic_version" in json.loads(server.bodies[0])
        assert len(issuer.bodies) == 1  # the token is kept


def ask(where: str) -> None:
    model = endpoint_model(where)
    run(model, lambda m: m.reply(request_of("hi", model=MODEL), lambda _: None))
