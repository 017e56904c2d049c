"""What every model promises, as tests: a client of yours inherits a class and says how it is made.

    from playhead.testing.model_contract import HttpModelContract

    class TestMyModel(HttpModelContract):
        def model(self, url: str, timeout: float = 60.0) -> Model:
            return MyModel(url, timeout=timeout)

        def stream(self, reply: Reply) -> bytes: ...         # how the API would send it
        def failure(self, error: str) -> bytes: ...          # the body of an HTTP error
        def broken(self, error: str) -> bytes: ...           # a stream that tells of an error

`ModelContract` alone is for a model without HTTP. It runs on plain pytest.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, TypeVar

import pytest

from playhead.definition.agent import Agent
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.events.model_api import Model, OnText, Reply, Request
from playhead.events.spec.tool import Retry
from playhead.events.usage import Usage
from playhead.runtime import Runtime
from playhead.testing.stub_server import EVENT_STREAM, JSON, Answer, StubServer
from playhead.tools.tool import tool

__all__ = ["HttpModelContract", "ModelContract"]

T = TypeVar("T")
Said: TypeAlias = Reply | ModelError
Asked: TypeAlias = Callable[[Model], Awaitable[T]]

USAGE = Usage(input_tokens=11, output_tokens=7, cache_read_input_tokens=3, thinking_tokens=2)

RETRYABLE = frozenset({408, 409, 429})
"""Statuses below 500 after which the same request may work."""

ODD = 'é"\\ 😀\u2028'


def block(text: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": text}


def use(number: int, name: str, arguments: Any) -> dict[str, Any]:
    """A tool call; arguments given as text are sent as they are, whether JSON or not."""
    return {"type": "tool_use", "id": f"call_{number}", "name": name, "input": arguments}


def reply_of(*content: dict[str, Any], stop: str | None = None) -> Reply:
    """A reply of these blocks."""
    calls = any(b["type"] == "tool_use" for b in content)
    reason = stop or ("tool_use" if calls else "end_turn")
    return Reply(tuple(content), reason, USAGE, "model-1")


HELLO = reply_of(block("Hello, world"))
BUSY = ModelError("overloaded", "busy", retryable=True)


def request(text: str = "hi", **fields: Any) -> Request:
    """A request with one message."""
    import json
    from hashlib import sha256

    head = json.dumps({"model": "model-1", "max_tokens": 100, **fields})[:-1] + ',"messages":['
    message = json.dumps({"role": "user", "content": [block(text)]}).encode()
    digest = sha256(head.encode() + message).hexdigest()
    return Request(head.encode(), (), 0, message, digest, "model-1", bound=len(head) + len(message))


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two integers.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


class ModelContract:
    """The promises of any `Model`, one test each."""

    def answering(self, *said: Said) -> AbstractContextManager[Model]:
        """A model that is answered so, in order. Its owner closes it."""
        raise NotImplementedError

    def ask(self, *said: Said) -> tuple[Reply, list[str]]:
        """The reply to the last of as many questions, and the pieces of its text."""

        async def scenario(model: Model) -> tuple[Reply, list[str]]:
            for _ in said[:-1]:
                with pytest.raises(ModelError):
                    await model.reply(request(), lambda _: None)
            pieces: list[str] = []
            return await model.reply(request(), pieces.append), pieces

        with self.answering(*said) as model:
            return run(model, scenario)

    @pytest.mark.parametrize("content", [
        (block("Hello, world"),),
        (block(ODD * 9),),
        (use(1, "add", {"a": 1, "b": [2, {"c": ODD}]}),),
        (block("I add."), use(1, "add", {"a": 1}), use(2, "add", {"a": 2}), use(3, "now", {})),
    ])  # fmt: skip
    def test_a_reply_comes_with_all_its_blocks_in_order(
        self, content: tuple[dict[str, Any], ...]
    ) -> None:
        found, _ = self.ask(reply_of(*content))
        assert len(found.content) == len(content)
        for got, wanted in zip(found.content, content, strict=True):
            assert wanted.items() <= got.items()  # a client may keep more

    def test_a_reply_says_which_model_gave_it_and_what_it_used(self) -> None:
        found, _ = self.ask(HELLO)
        assert (found.model, found.stop_reason) == ("model-1", "end_turn")
        assert found.usage == USAGE

    def test_the_pieces_of_text_are_the_text(self) -> None:
        found, pieces = self.ask(reply_of(block(ODD * 9), use(1, "add", {"a": 1})))
        assert "".join(pieces) == ODD * 9 == found.content[0]["text"]

    @pytest.mark.parametrize("stop", ["end_turn", "max_tokens", "refusal"])
    def test_the_reason_for_which_it_stopped_is_told(self, stop: str) -> None:
        assert self.ask(reply_of(block("so far"), stop=stop))[0].stop_reason == stop

    def test_a_failure_is_a_model_error_and_the_next_call_works(self) -> None:
        found, _ = self.ask(BUSY, BUSY, HELLO)
        assert found.content[0]["text"] == "Hello, world"

    def test_many_calls_at_once_each_get_a_whole_reply(self) -> None:
        async def together(model: Model) -> list[Reply]:
            asked = (model.reply(request(str(n)), lambda _: None) for n in range(30))
            return await asyncio.gather(*asked)

        texts = [f"reply {n}" for n in range(30)]
        with self.answering(*(reply_of(block(text)) for text in texts)) as model:
            found = run(model, together)
        assert sorted(str(each.content[0]["text"]) for each in found) == sorted(texts)

    def test_it_may_be_closed_twice(self) -> None:
        async def twice(model: Model) -> None:
            await model.reply(request(), lambda _: None)
            await model.close()

        with self.answering(HELLO) as model:
            run(model, twice)

    def test_a_run_over_it_decides_as_over_any_other_model_and_replays_without_it(self) -> None:
        said: list[Said] = [
            reply_of(block("I add."), use(1, "add", {"a": 1, "b": 2}), use(2, "add", {"a": 3})),
            BUSY,
            reply_of(use(3, "add", {"a": 3, "b": 4})),
            reply_of(block("3 and 7.")),
        ]
        agent = Agent(name="sum", tools=[add], retry=Retry(attempts=3, base=0.001, cap=0.002))
        log = MemoryLog()
        with (
            self.answering(*said) as model,
            Runtime(log, model=(held := ClosedAfter(model, len(said), hold=True))) as runtime,
        ):
            started = runtime.start(agent, "What is 1 + 2, and 3 + 4?")
            heard = iter(started.stream())
            held.may_answer.set()  # not before somebody listens to what is discarded
            chunks = list(heard)
            ended = started.wait()
            assert ended.answer == "3 and 7."
            kinds = [record.event.kind for record in started.events()]
        assert [kind for kind in kinds if kind in TRAJECTORY] == [
            "run_started", "model_requested", "model_answered", "tool_requested", "tool_requested",
            "tool_succeeded", "model_requested", "model_failed", "model_requested",
            "model_answered", "tool_requested", "tool_succeeded", "model_requested",
            "model_answered", "run_finished",
        ]  # fmt: skip
        assert [chunk.discarded for chunk in chunks if not chunk.text] == [True]
        with Runtime(log, [agent], model=_Silent()) as later:
            assert later.replay(ended.run_id).matches
            fork = later.fork(ended.run_id)
            assert fork.wait().answer == "3 and 7."


TRAJECTORY = frozenset({
    "run_started", "model_requested", "model_answered", "model_failed", "tool_requested",
    "tool_succeeded", "run_finished",
})  # fmt: skip


class ClosedAfter:
    """A model that is closed on the runtime's loop, after so many calls."""

    def __init__(self, model: Model, calls: int, *, hold: bool = False) -> None:
        """`hold`: it answers nothing before `may_answer` is set."""
        self._model = model
        self._left = calls
        self.may_answer = threading.Event()
        if not hold:
            self.may_answer.set()

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        self._left -= 1
        await asyncio.to_thread(self.may_answer.wait)
        try:
            return await self._model.reply(request, on_text)
        finally:
            if not self._left:
                await self.close()

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()


class _Silent:
    """A model that nobody may ask."""

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        message = "a replay asked a model"
        raise ModelError(error="asked", message=message)

    async def close(self) -> None:
        """Nothing to close."""


def _setting(event: asyncio.Event) -> OnText:
    return lambda _: event.set()


def run(model: Model, asked: Asked[T]) -> T:
    """Ask on a loop of its own, and close the model there."""

    async def scenario() -> T:
        try:
            return await asked(model)
        finally:
            await model.close()

    return asyncio.run(scenario())


class HttpModelContract(ModelContract):
    """What a client of an HTTP API promises besides: no fault of a server becomes a reply."""

    def model(self, url: str, timeout: float = 60.0) -> Model:
        """A client of the API at that URL."""
        raise NotImplementedError

    def stream(self, reply: Reply) -> bytes:
        """The body with which the API would send this reply, as server-sent events.

        Where a tool call's input is text, its arguments are that text. A stop reason that the API
        does not have is sent as it is.
        """
        raise NotImplementedError

    def failure(self, error: str) -> bytes:
        """The JSON of the API's HTTP error: overloaded, rate_limit, invalid_request."""
        raise NotImplementedError

    def broken(self, error: str) -> bytes:
        """A stream that began with text, and then tells of an error: overloaded, rate_limit."""
        raise NotImplementedError

    @contextmanager
    def answering(self, *said: Said) -> Generator[Model]:
        """A client of a stub that answers so."""
        with StubServer([self._answer(each) for each in said]) as api:
            yield self.model(api.url)

    def _answer(self, said: Said) -> Answer:
        if isinstance(said, Reply):
            return Answer(self.stream(said))
        return Answer(self.failure(said.error), 503, JSON)

    def fault(self, answer: Answer, timeout: float = 60.0) -> ModelError:
        """The error to which an answer leads."""
        with StubServer([answer]) as api, pytest.raises(ModelError) as raised:
            run(self.model(api.url, timeout), lambda m: m.reply(request(), lambda _: None))
        assert "\n" not in str(raised.value)
        return raised.value

    def test_a_stream_cut_at_any_byte_is_never_a_reply(self) -> None:
        """As if the body were complete, and at every fifth byte in the middle of a chunk."""
        whole = self.stream(reply_of(block("é"), use(1, "add", {"a": 1})))
        cuts = [Answer(whole, cut=n) for n in range(len(whole))]
        cuts += [Answer(whole, cut=n, abrupt=True) for n in range(0, len(whole), 5)]

        async def scenario(model: Model) -> list[ModelError]:
            found: list[ModelError] = []
            for _ in cuts:
                with pytest.raises(ModelError) as raised:
                    await model.reply(request(), lambda _: None)
                found.append(raised.value)
            return found

        with StubServer(cuts) as api:
            errors = run(self.model(api.url), scenario)
        assert {(error.error, error.retryable) for error in errors} <= {
            ("truncated", True), ("malformed_reply", True), ("connection", True), ("timeout", True),
        }  # fmt: skip

    def test_a_whole_stream_is_a_reply_however_its_connection_ends(self) -> None:
        whole = self.stream(HELLO)
        with StubServer([Answer(whole, cut=len(whole))]) as api:
            found = run(self.model(api.url), lambda m: m.reply(request(), lambda _: None))
        assert found.content[0]["text"] == "Hello, world"

    def test_every_status_has_a_word_and_says_whether_to_try_again(self) -> None:
        statuses = list(range(400, 600))
        left = iter(statuses)

        async def scenario(model: Model) -> list[ModelError]:
            found: list[ModelError] = []
            for _ in statuses:
                with pytest.raises(ModelError) as raised:
                    await model.reply(request(), lambda _: None)
                found.append(raised.value)
            return found

        def policy(_: bytes) -> Answer:
            return Answer(b"<html>the server's\nreason</html>", next(left), HTML)

        with StubServer(policy) as api:
            errors = run(self.model(api.url), scenario)
        for status, error in zip(statuses, errors, strict=True):
            assert error.status == status
            assert error.retryable == (status >= 500 or status in RETRYABLE)
            assert "the server's reason" in error.message
            assert error.error == NAMES.get(status, "server_error" if status >= 500 else
                                            "invalid_request")  # fmt: skip

    @pytest.mark.parametrize(("error", "status", "retryable"), [
        ("overloaded", 503, True), ("rate_limit", 429, True), ("invalid_request", 400, False),
    ])  # fmt: skip
    def test_an_error_of_the_api_is_named_by_what_it_says(
        self, error: str, status: int, retryable: bool
    ) -> None:
        found = self.fault(Answer(self.failure(error), status, JSON))
        assert (found.error, found.retryable, found.status) == (error, retryable, status)

    @pytest.mark.parametrize("error", ["overloaded", "rate_limit"])
    def test_an_error_inside_a_stream_counts_like_one_before_it(self, error: str) -> None:
        found = self.fault(Answer(self.broken(error)))
        assert (found.error, found.retryable) == (error, True)

    @pytest.mark.parametrize("answer", [
        Answer(b"<html>maintenance</html>", headers={"content-type": "text/html"}),
        Answer(b"", headers={"content-type": "text/html"}),
        Answer(b"", headers=JSON),
        Answer(b'{"hello": 1}', headers=JSON),
        Answer(b'{"half": ', headers=JSON),
        Answer(b"[]", headers=JSON),
        Answer(b"data: {no json}\n\n"),
        Answer(b"data: [1]\n\n"),
        Answer(b"data: 7\n\n"),
        Answer(b"data: \xff\xfe\n\n"),
        Answer(b"not gzip", headers={**EVENT_STREAM, "content-encoding": "gzip"}),
    ])  # fmt: skip
    def test_an_answer_that_is_no_reply_is_malformed_and_worth_another_try(
        self, answer: Answer
    ) -> None:
        found = self.fault(answer)
        assert (found.error, found.retryable) == ("malformed_reply", True)

    def test_an_empty_stream_is_truncated(self) -> None:
        found = self.fault(Answer(b""))
        assert (found.error, found.retryable) == ("truncated", True)

    def test_a_stop_reason_that_nobody_knows_is_not_acted_on(self) -> None:
        found = self.fault(Answer(self.stream(reply_of(block("so"), stop="tired"))))
        assert (found.error, found.retryable) == ("unknown_stop_reason", False)
        assert "tired" in found.message

    @pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", '{"a": 1, "a": 2}', '{"a": NaN}'])
    def test_arguments_that_are_no_json_object_start_nothing(self, arguments: str) -> None:
        found = self.fault(Answer(self.stream(reply_of(use(1, "add", arguments)))))
        assert (found.error, found.retryable) == ("malformed_reply", True)
        assert "add" in found.message

    def test_a_call_that_was_cut_off_is_named_and_not_started(self) -> None:
        cut = reply_of(use(1, "add", '{"a": 1'), stop="max_tokens")
        found = self.fault(Answer(self.stream(cut)))
        assert (found.error, found.retryable) == ("truncated_tool_use", False)

    @pytest.mark.parametrize(("headers", "seconds"), [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "1e99"}, 3600.0),
        ({"retry-after": "soon"}, None),
    ])  # fmt: skip
    def test_the_wait_that_a_server_asks_for_is_told_within_bounds(
        self, headers: dict[str, str], seconds: float | None
    ) -> None:
        found = self.fault(Answer(self.failure("rate_limit"), 429, {**JSON, **headers}))
        assert (found.error, found.retry_after) == ("rate_limit", seconds)

    def test_a_server_may_say_itself_whether_to_try_again(self) -> None:
        no = Answer(self.failure("overloaded"), 503, {**JSON, "x-should-retry": "false"})
        assert not self.fault(no).retryable

    def test_text_comes_before_the_reply_is_whole(self) -> None:
        whole = self.stream(reply_of(block("Hello, world. " * 40)))
        pieces: list[str] = []
        with StubServer([Answer(whole, cut=len(whole) // 2)]) as api, pytest.raises(ModelError):
            run(self.model(api.url), lambda m: m.reply(request(), pieces.append))
        assert pieces
        assert ("Hello, world. " * 40).startswith("".join(pieces))

    def test_a_server_that_hangs_up_is_a_lost_connection(self) -> None:
        found = self.fault(Answer(b"", mute=True))
        assert (found.error, found.retryable) == ("connection", True)

    def test_a_silent_server_is_a_timeout(self) -> None:
        whole = self.stream(HELLO)
        found = self.fault(Answer(whole, cut=len(whole) // 2, hang=True), timeout=0.3)
        assert (found.error, found.retryable) == ("timeout", True)

    def test_a_silent_server_is_let_go_when_the_call_is_cancelled(self) -> None:
        async def scenario(model: Model) -> None:
            spoke = asyncio.Event()
            asking = asyncio.ensure_future(model.reply(request(), lambda _: spoke.set()))
            await spoke.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        whole = self.stream(reply_of(block("Hello, world. " * 40)))
        with StubServer([Answer(whole, cut=len(whole) // 2, hang=True)]) as api:
            run(self.model(api.url), scenario)
            assert api.dropped.wait(timeout=30)

    def test_no_server_is_unreachable_and_the_url_is_named(self) -> None:
        with StubServer([]) as api:
            gone = api.url
        with pytest.raises(ModelError, match=gone) as raised:
            run(self.model(gone), lambda m: m.reply(request(), lambda _: None))
        assert (raised.value.error, raised.value.retryable) == ("unreachable", True)

    def test_a_call_that_hangs_holds_up_no_other(self) -> None:
        async def scenario(model: Model) -> list[Reply]:
            spoke = [asyncio.Event() for _ in range(120)]
            hanging = [
                asyncio.ensure_future(model.reply(request(), _setting(each))) for each in spoke
            ]
            for event in spoke:
                await event.wait()
            found = [await model.reply(request(), lambda _: None) for _ in range(3)]
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            return found

        long = Answer(self.stream(reply_of(block("Hello, world. " * 40))))
        hangs = Answer(long.body, cut=len(long.body) // 2, hang=True)
        with StubServer([*[hangs] * 120, *[Answer(self.stream(HELLO))] * 3]) as api:
            found = run(self.model(api.url), scenario)
        assert [each.content[0]["text"] for each in found] == ["Hello, world"] * 3

    def test_calls_one_after_the_other_share_a_connection(self) -> None:
        async def scenario(model: Model) -> None:
            for _ in range(5):
                await model.reply(request(), lambda _: None)

        with StubServer([Answer(self.stream(HELLO))] * 5) as api:
            run(self.model(api.url), scenario)
            assert (api.connections, len(api.bodies)) == (1, 5)

    def test_a_call_is_one_request_whatever_the_client_would_repeat(self) -> None:
        with StubServer([Answer(self.failure("overloaded"), 503, JSON)] * 5) as api:
            with pytest.raises(ModelError):
                run(self.model(api.url), lambda m: m.reply(request(), lambda _: None))
            assert len(api.bodies) == 1


HTML = {"content-type": "text/html"}

NAMES = {
    401: "authentication", 402: "billing", 403: "permission", 404: "not_found", 408: "timeout",
    409: "conflict", 413: "request_too_large", 429: "rate_limit", 503: "overloaded",
    529: "overloaded",
}  # fmt: skip
"""Statuses that say more than that the request or the server is at fault."""
