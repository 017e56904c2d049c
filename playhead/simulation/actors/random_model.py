"""A model that acts at random: it calls the tools it is given, mostly as their schemas require.

It replaces the real model of an agent whose `model` is a name, and exercises the runtime harder
than a real one: odd stop reasons, empty replies, unknown tools, wrong arguments, many calls.
"""

import json
import re
from collections.abc import Mapping
from random import Random
from typing import Any, cast

from playhead.events.event import Block, Json
from playhead.events.model_api import OnText, Reply, Request
from playhead.events.usage import Usage

DEEP = 6
"""Depth in a schema from which on values stay small."""


RECORD = re.compile(r"^record (\d+): ", re.MULTILINE)
MARK = re.compile(rb',?"cache_control":\{[^}]*\}')


class RandomModel:
    """A Model without a script: the same random source gives the same replies."""

    name = "chance"

    def __init__(
        self,
        random: Random,
        odd: float = 0.0,
        patience: int = 4,
        tools: Mapping[str, dict[str, Json]] | None = None,
        density: float | None = None,
    ) -> None:
        """Choose its behaviour.

        `odd`: the probability of something unusual. `tools`: name -> schema, for plans, because
        a plan request describes tools only in text. `density`: tokens per byte; None: random.
        """
        self._random = random
        self._tools = tools or {}
        self._odd = odd
        self._density = density or random.choice((1.0, 0.25, 0.05))
        """A real tokenizer always gives the same prefix the same count."""
        self._patience = patience
        """The number of rounds after which it usually answers."""

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """A complete reply: an answer or some calls."""
        body = request.body
        content, reason = self._say(body, request.hash)
        for block in content:
            if block["type"] == "text":
                on_text(str(block["text"]))
        # At most one token per byte of content; cache marks and commas are not content.
        said = MARK.sub(b"", request.content)
        most, size = int(body["max_tokens"]), len(said) - len(body["messages"])
        usage = self._used(int(size * self._density), request.content)
        usage = usage.model_copy(
            update={"output_tokens": self._random.choice((most, 1 + most // 10))}
        )
        return Reply(tuple(content), reason, usage, request.model)

    def _used(self, tokens: int, sent: bytes) -> Usage:
        """The input tokens, some as cache reads and writes if the request asks for caching."""
        if b"cache_control" not in sent:
            return Usage(input_tokens=tokens)
        read = self._random.choice((0, tokens // 2))
        written = (tokens - read) * self._random.choice((0, 1, 1)) // 2
        for_an_hour = written if b'"ttl":"1h"' in sent else 0
        return Usage(
            input_tokens=tokens - read - written, cache_read_input_tokens=read,
            cache_creation_input_tokens=written, cache_creation_1h_input_tokens=for_an_hour,
        )  # fmt: skip

    async def close(self) -> None:
        """Does nothing: no resources are open."""

    def _say(self, body: dict[str, Any], request: str) -> tuple[list[Block], str]:
        random = self._random
        tools = body.get("tools", [])
        if random.random() < self._odd / 4:
            return self._oddity(tools)
        rounds = sum(message["role"] == "assistant" for message in body["messages"])
        if not tools or random.random() < 0.1 + 0.8 * (rounds >= self._patience):
            return [_text(self._answer(body))], "end_turn"
        count = random.choice((1, 1, 1, 2, 2, 3, 6))
        calls: list[Block] = [self._call(tools, f"toolu_{request[:8]}_{n}") for n in range(count)]
        if random.random() < 0.3:
            calls.insert(0, _text("Let me look."))
        return calls, "tool_use"

    def _oddity(self, tools: list[dict[str, Any]]) -> tuple[list[Block], str]:
        thought: Block = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
        cut = _text("It would be")
        calls: list[Block] = [self._call(tools, "toolu_cut")] if tools else [cut]
        blank, empty = _text(" "), _text("")
        oddities: tuple[tuple[list[Block], str], ...] = (
            (calls, "max_tokens"), (calls, "max_tokens"), (calls, "refusal"), ([], "end_turn"),
            ([thought], "end_turn"), ([blank], "end_turn"), ([empty], "end_turn"),
            ([cut], "pause_turn"), ([cut], "max_tokens"), ([cut], "refusal"),
        )  # fmt: skip
        return self._random.choice(oddities)

    def _call(self, tools: list[dict[str, Any]], use: str) -> Block:
        tool = self._random.choice(tools)
        name: str = tool["name"]
        arguments: Json = sample(tool["input_schema"], self._random)
        if self._random.random() < self._odd / 4:
            odd: Json = {"odd": 1}
            name, arguments = self._random.choice((("no_such_tool", arguments), (name, odd)))
        return {"type": "tool_use", "id": use, "name": name, "input": arguments}

    def _answer(self, body: dict[str, Any]) -> str:
        said = body["messages"][-1]["content"][-1].get("text", "")
        if "<records>" in said and self._random.random() > self._odd:
            return self._facts(said)
        wanted = body.get("output_config")
        if wanted is None or self._random.random() < self._odd / 2:
            return f"It is {self._random.randint(0, 9)}."
        schema = wanted["format"]["schema"]
        if set(schema.get("properties", {})) == {"steps"}:
            return json.dumps({"steps": self._plan(schema)})
        return json.dumps(sample(schema, self._random))

    def _facts(self, said: str) -> str:
        """Extracted facts, mostly from records that exist."""
        random = self._random
        schema = json.loads(said.partition("\n")[2].partition("\n")[0])
        known = [int(seq) for seq in RECORD.findall(said)] or [1]
        facts: list[Json] = [
            {
                "entity": random.choice(("dog", "cat")), "field": field,
                "value": sample(shape, random), "sources": [random.choice((*known, 99_999))],
            }
            for field, shape in schema["properties"].items()
            if random.random() < 0.7
        ]  # fmt: skip
        return json.dumps({"facts": facts})

    def _plan(self, schema: dict[str, Any]) -> list[Json]:
        """A few steps, some depending on earlier ones; occasionally an invalid plan."""
        names: list[str] = schema["properties"]["steps"]["items"]["properties"]["tool"]["enum"]
        ids = [f"s{n}" for n in range(self._random.randint(1, 5))]
        return [self._step(ids[: n + 1], self._random.choice(names)) for n in range(len(ids))]

    def _step(self, ids: list[str], tool: str) -> Json:
        random, before = self._random, ids[:-1]
        depends: list[Json] = [each for each in before if random.random() < 0.4]
        if random.random() < self._odd / 8:
            depends.append(ids[-1])
        description = "Do it"
        if before and random.random() < 0.3:
            description += " with ${" + random.choice(before) + "}"
        arguments: Json = sample(self._tools[tool], random) if tool in self._tools else {}
        each = "${" + random.choice(before) + "}" if before and random.random() < 0.15 else ""
        return {
            "id": ids[-1], "description": description, "tool": tool, "for_each": each,
            "arguments": json.dumps(arguments), "depends_on": depends,
        }  # fmt: skip


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def sample(schema: dict[str, Any], random: Random) -> Any:
    """A value that matches a tool's JSON schema; for complicated schemas, one that may match."""
    return _sample(schema, schema.get("$defs", {}), random, 0)


def _sample(schema: dict[str, Any], defs: dict[str, Any], random: Random, depth: int) -> Any:
    if "$ref" in schema:
        return _sample(defs[schema["$ref"].rpartition("/")[2]], defs, random, depth + 1)
    for fixed in ("enum", "examples"):
        if schema.get(fixed):
            return random.choice(schema[fixed])
    if "const" in schema:
        return schema["const"]
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return _sample(several[-1] if depth > DEEP else random.choice(several), defs, random, depth)
    return _plain(schema, defs, random, depth)


def _plain(schema: dict[str, Any], defs: dict[str, Any], random: Random, depth: int) -> Any:
    kinds = cast(
        "str | list[str]", schema.get("type", "object" if "properties" in schema else "string")
    )
    match kinds if isinstance(kinds, str) else kinds[0]:
        case "object":
            required = schema.get("required", ())
            return {
                name: _sample(each, defs, random, depth + 1)
                for name, each in schema.get("properties", {}).items()
                if name in required or (depth < DEEP and random.random() < 0.5)
            }
        case "array":
            few = schema.get("minItems", 0 if depth > DEEP else random.randint(0, 2))
            return [_sample(schema.get("items", {}), defs, random, depth + 1) for _ in range(few)]
        case "integer":
            return random.randint(*_range(schema))
        case "number":
            return random.randint(*_range(schema)) + random.choice((0, 0.5)) * (
                "maximum" not in schema
            )
        case "boolean":
            return random.random() < 0.5
        case "null":
            return None
        case _:
            text = "".join(random.choices("abc é", k=random.randint(1, 8)))
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 99)]


def _range(schema: dict[str, Any]) -> tuple[int, int]:
    low = int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
    return low, int(schema.get("maximum", schema.get("exclusiveMaximum", low + 101) - 1))
