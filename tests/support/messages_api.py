"""The Messages API over real HTTP on a free local port, with injectable faults.

    with MessagesApi([message(text("Hello"))]) as api:
        AnthropicModel(base_url=api.url)

Answers come from a list, in order, or from a function of the received body. `counting` is the
policy of the benchmarks; `python -m tests.support.messages_api` serves it from its own process.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from playhead.testing.stub_server import EVENT_STREAM, JSON, Answer, Policy, StubServer

__all__ = [
    "EVENT_STREAM", "JSON", "Answer", "MessagesApi", "Policy", "call", "counting", "failure",
    "message", "message_events", "sse", "text",
]  # fmt: skip

Json: TypeAlias = Any
Block: TypeAlias = dict[str, Json]

PIECE = 7
"""Characters per delta, chosen so that names, escapes and emoji are split."""


def sse(events: Iterable[dict[str, Json]]) -> bytes:
    return b"".join(
        f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode()
        for e in events
    )


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def call(tool: str, arguments: dict[str, Json] | str, use: str = "toolu_1") -> Block:
    """A tool call; arguments given as text are sent unchanged, whether valid JSON or not."""
    return {"type": "tool_use", "id": use, "name": tool, "input": arguments}


def message(
    *blocks: Block,
    stop_reason: str | None = None,
    output_tokens: int = 7,
    usage: dict[str, Json] | None = None,
    **more: dict[str, Json],
) -> Answer:
    """A streamed reply of these blocks; `usage` is that of its input, `more` as below."""
    calls = any(block["type"] == "tool_use" for block in blocks)
    reason = stop_reason or ("tool_use" if calls else "end_turn")
    return Answer(sse(message_events(blocks, reason, output_tokens, usage, **more)))


def message_events(
    blocks: Sequence[Block],
    stop_reason: str | None,
    output_tokens: int = 7,
    usage: dict[str, Json] | None = None,
    *,
    start: dict[str, Json] | None = None,
    delta: dict[str, Json] | None = None,
    beside: dict[str, Json] | None = None,
    final: dict[str, Json] | None = None,
) -> Iterator[dict[str, Json]]:
    """The events of a reply.

    More fields can be given for the message of its start, for the delta at its end, for what lies
    beside that delta, and for the final usage.
    """
    usage = usage or {
        "input_tokens": 11, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3,
    }  # fmt: skip
    first: dict[str, Json] = {
        **{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-stub"},
        **(start or {}),
        "content": [],
        "stop_reason": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": first}
    yield {"type": "ping"}
    for index, block in enumerate(blocks):
        opened, deltas = _deltas(block)
        yield {"type": "content_block_start", "index": index, "content_block": opened}
        for each in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": each}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": stop_reason, "stop_sequence": None, **(delta or {})}
    counted = {"output_tokens": output_tokens, **(final or {})}
    yield {"type": "message_delta", "delta": stop, "usage": counted, **(beside or {})}
    yield {"type": "message_stop"}


def _deltas(block: Block) -> tuple[Block, list[dict[str, Json]]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": p} for p in _pieces(block["text"])]
            if block.get("citations"):
                cited = [{"type": "citations_delta", "citation": c} for c in block["citations"]]
                return {**block, "text": "", "citations": []}, [*deltas, *cited]
            return {**block, "text": ""}, deltas
        case "compaction":
            delta = {"type": "compaction_delta", **{k: v for k, v in block.items() if k != "type"}}
            return {"type": "compaction", "content": None, "encrypted_content": None}, [delta]
        case "thinking":
            pieces = _pieces(block["thinking"])
            deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
        case "tool_use" | "server_tool_use":
            given = block["input"]
            pieces = _pieces(given if isinstance(given, str) else json.dumps(given))
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in pieces]
            return {**block, "input": {}}, deltas
        case _:
            return block, []


def _pieces(whole: str) -> list[str]:
    return [whole[i : i + PIECE] for i in range(0, len(whole), PIECE)]


def failure(
    status: int,
    error: str = "",
    said: str = "no",
    *,
    headers: dict[str, str] | None = None,
    details: dict[str, Json] | None = None,
) -> Answer:
    """An HTTP error; without an error type its body is text, like a proxy's."""
    told = {"type": error, "message": said, **({"details": details} if details else {})}
    body = json.dumps({"type": "error", "error": told}) if error else said
    kind = JSON if error else {"content-type": "text/plain"}
    return Answer(body.encode(), status, {**kind, **(headers or {})})


def counting(steps: int, wait: float = 0.0) -> Policy:
    """Calls add(a=k, b=1) until there are `steps` results, then answers. Keeps no state."""

    def answer(body: bytes) -> Answer:
        k = body.count(b'"tool_result"')
        if k < steps:
            words = text(f"Step {k}: I add one to the counter.")
            reply = message(words, call("add", {"a": k, "b": 1}, f"toolu_{k:08d}"))
        else:
            reply = message(text(f"Done. The counter is {k}."))
        return Answer(reply.body, wait=wait)

    return answer


class MessagesApi(StubServer):
    """The server, as the Messages API."""


def main() -> None:
    """Serve the counting policy until standard input ends; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--wait", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with MessagesApi(counting(given.steps, given.wait), given.port) as api:
        print(api.url, flush=True)  # noqa: T201
        try:
            while input():
                pass
        except EOFError:
            pass


if __name__ == "__main__":
    main()
