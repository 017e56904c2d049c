"""When something was said and by whom, what supersedes it, what says the same, what is there."""

from datetime import UTC, datetime

import pytest

from playhead import Agent, MemoryRules, NewMemory, Ranking, Runtime, UsageError
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel
from tests.memory.embedders import Counting
from tests.memory.remembering import texts as told_texts

MAY, JUNE = datetime(2023, 5, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC)


@pytest.fixture(params=["words", "vectors"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    embedder = Counting() if request.param == "vectors" else "none"
    return Runtime(MemoryLog(), embedder=embedder)


def texts(runtime: Runtime, query: str, **more: object) -> list[str]:
    return [m.text for m in runtime.memory.recall(query, "acme", **more)]  # type: ignore[arg-type]


def test_since_until_and_recency_use_when_it_was_said_not_when_it_was_stored(
    runtime: Runtime,
) -> None:
    with runtime:
        runtime.memory.remember("The fee is 20", "acme", at=JUNE)
        runtime.memory.remember("The fee is 10", "acme", at=MAY)
        june = round(JUNE.timestamp() * 1_000_000)
        assert texts(runtime, "fee", since=june) == ["The fee is 20"]
        assert texts(runtime, "fee", until=june) == ["The fee is 10"]
        by_age = texts(runtime, "fee", ranking=Ranking(recency=1, half_life=1))
        assert by_age == ["The fee is 20", "The fee is 10"]
        (newest, _) = runtime.memory.recall("fee", "acme", ranking=Ranking(recency=1))
        assert newest.at == june
        assert newest.stored_at > june
        with pytest.raises(UsageError, match="no time zone"):
            runtime.memory.remember("x", "acme", at=datetime(2023, 5, 1))


def test_a_starting_run_is_told_who_said_it_and_when_it_was_said() -> None:
    model = ScriptedModel(["Yes."])
    agent = Agent(name="clerk", model=model, memory=MemoryRules(namespace="acme"))
    with Runtime(MemoryLog(), [agent], embedder="none") as runtime:
        runtime.memory.remember("The invoice goes to Nora", "acme", at=MAY, by="Ada")
        runtime.run(agent, "Where does the invoice go?")
    assert "- (2023-05-01, Ada) The invoice goes to Nora" in told_texts(model.requests[0].body)[0]


def test_the_newer_outranks_what_it_supersedes_even_where_only_the_older_has_the_words(
    runtime: Runtime,
) -> None:
    with runtime:
        old = runtime.memory.remember("Ada's puppy is called Rex", "acme")
        then = runtime.memory.memories("acme").memories[0].position
        new = runtime.memory.remember("She calls him Bello now", "acme", supersedes=old)
        found = runtime.memory.recall("Ada's puppy", "acme")
        assert [m.id for m in found] == [new, old]
        assert (found[0].superseded_by, found[1].superseded_by) == ("", new)
        assert [m.id for m in runtime.memory.recall("puppy", "acme", as_of=then)] == [old]
        runtime.memory.forget(new)
        (alone,) = runtime.memory.recall("puppy", "acme")
        assert alone.superseded_by == ""


def test_what_is_merely_near_is_never_superseded_nor_put_in_one_place(runtime: Runtime) -> None:
    near = ["Ada works in Berlin", "Ada lives in Berlin", "Ada lives in Berlin?", "-5", "5", "C++"]
    with runtime:
        runtime.memory.remember_all(near, "acme")
        found = runtime.memory.recall("Ada lives in Berlin, -5, 5, C++", "acme", limit=10)
        assert {m.text for m in found} == set(near)
        assert not any(m.superseded_by for m in found)


def test_only_a_memory_of_the_namespace_can_be_superseded(runtime: Runtime) -> None:
    with runtime:
        other = runtime.memory.remember("The fee is 10", "globex")
        for wrong in (other, "nothing"):
            with pytest.raises(UsageError, match=f"'acme' has no memory '{wrong}'"):
                runtime.memory.remember("The fee is 20", "acme", supersedes=wrong)


def test_equal_and_nearly_equal_texts_take_one_place_with_their_occurrences(
    runtime: Runtime,
) -> None:
    with runtime:
        for n, text in enumerate(
            ["The puppy is called Rex.", "the puppy is  called Rex", "Puppy is called “Rex”"]
        ):
            runtime.memory.remember(text, "acme", by=f"person {n}", at=n)
        runtime.memory.remember("The puppy likes the ocean", "acme")
        rex, _ = runtime.memory.recall("What is the puppy called?", "acme", limit=5)
        assert [said.by for said in rex.occurrences] == ["person 2", "person 1", "person 0"]
        assert [said.at for said in rex.occurrences] == [2, 1, 0]


def test_a_thousand_copies_leave_room_for_everything_else(runtime: Runtime) -> None:
    with runtime:
        runtime.memory.remember("A puppy may come in", "acme")
        runtime.memory.remember_all(["The puppy"] * 1000, "acme")
        found = runtime.memory.recall("the puppy", "acme", limit=5)
        assert [len(m.occurrences) for m in found] == [1000, 1]


def test_a_metadata_key_with_a_quote_matches(runtime: Runtime) -> None:
    with runtime:
        given = {'it\'s "so"': "y", "a.b": "z"}
        runtime.memory.remember("The puppy", "acme", metadata=given)
        for key, value in given.items():
            assert texts(runtime, "puppy", metadata={key: value}) == ["The puppy"]
            assert texts(runtime, "puppy", metadata={key: "other"}) == []


def test_memories_lists_pages_and_counts(runtime: Runtime) -> None:
    with runtime:
        new = [NewMemory(f"note {n}", {"even": str(n % 2 == 0)}) for n in range(7)]
        runtime.memory.remember_all(new, "acme")
        runtime.memory.remember("elsewhere", "globex")
        page, after, pages = list[str](), None, 0
        while True:
            memories, total, after = runtime.memory.memories("acme", limit=3, after=after)
            page += [m.text for m in memories]
            pages += 1
            assert total == 7
            if after is None:
                break
        assert (page, pages) == ([f"note {n}" for n in reversed(range(7))], 3)
        assert runtime.memory.memories("acme", metadata={"even": "True"}).total == 4
        assert runtime.memory.memories("nobody").total == 0
        assert runtime.memory.namespaces() == {"acme": 7, "globex": 1}


def test_a_whole_namespace_can_be_exported_and_forgotten(runtime: Runtime) -> None:
    with runtime:
        old = runtime.memory.remember("The fee is 10", "acme", at=1, by="Ada")
        new = runtime.memory.remember("The fee is 20", "acme", supersedes=old)
        kept = runtime.memory.remember("The fee is 30", "globex")
        exported = list(runtime.memory.export("acme"))
        assert [e["id"] for e in exported] == [old, new]
        assert (exported[0]["at"], exported[0]["by"]) == (1, "Ada")
        assert [e["superseded_by"] for e in exported] == [new, ""]
        assert runtime.memory.forget_namespace("acme", "they asked for it") == 2
        assert runtime.memory.recall("fee", "acme") == []
        assert runtime.memory.namespaces() == {"globex": 1}
        assert [m.id for m in runtime.memory.recall("fee", "globex")] == [kept]
        with pytest.raises(UsageError, match="'acme' remembers nothing"):
            runtime.memory.forget_namespace("acme")
        again = runtime.memory.remember("The fee is 40", "acme")
        assert [m.id for m in runtime.memory.recall("fee", "acme")] == [again]
