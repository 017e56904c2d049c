"""The labelled set: memories of six namespaces, and queries with what answers them."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playhead import Runtime

PAGE = Path(__file__).with_name("labelled.txt")


class Labelled(NamedTuple):
    """A query, and the memories that answer it."""

    namespace: str
    text: str
    answers: frozenset[str]
    by_name: bool
    """It asks by a name, a number or the memory's own words."""


class Set(NamedTuple):
    """All of it."""

    memories: dict[str, dict[str, str]]
    """Namespace -> id -> text."""
    queries: list[Labelled]


def labelled(page: Path = PAGE) -> Set:
    """A set, read from its page."""
    found, namespace = Set({}, []), ""
    for line in page.read_text().splitlines():
        sign, _, rest = line.partition(" ")
        match sign:
            case "==":
                namespace = rest
                found.memories[namespace] = {}
            case "?" | "=":
                text, _, ids = rest.partition(" -> ")
                answers = frozenset(ids.split())
                found.queries.append(Labelled(namespace, text, answers, sign == "="))
            case "" | "#":
                pass
            case memory:
                found.memories[namespace][memory] = rest
    return found


def filled(runtime: Runtime, given: Set) -> None:
    """Have a runtime remember the set; a memory's metadata holds its id there."""
    for namespace, memories in given.memories.items():
        for name, text in memories.items():
            runtime.memory.remember(text, namespace, metadata={"name": name})


def recall_at(found: Sequence[Sequence[str]], queries: Sequence[Labelled]) -> float:
    """The mean share of a query's answers that were found."""
    shares = [
        len(query.answers.intersection(names)) / len(query.answers)
        for names, query in zip(found, queries, strict=True)
    ]
    return sum(shares) / len(shares)


def sentences(count: int, length: int, seed: int) -> list[str]:
    """Words of the labelled set, as often as they stand there, thrown together."""
    chance = random.Random(seed)
    words = [w for each in labelled().memories.values() for t in each.values() for w in t.split()]
    return [" ".join(chance.choices(words, k=length)) for _ in range(count)]
