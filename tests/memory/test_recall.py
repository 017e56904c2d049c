"""Recall by words alone: a namespace's memories, never another's, the same after a rebuild."""

from pathlib import Path

import pytest

from playhead import Runtime, UsageError
from playhead.projections.stored.view import views_path


def texts(runtime: Runtime, query: str, namespace: str = "acme", **filters: str) -> list[str]:
    return [m.text for m in runtime.memory.recall(query, namespace, metadata=filters)]


def filled(runtime: Runtime) -> str:
    runtime.memory.remember(
        "Invoices go to Nora in accounting", "acme", metadata={"kind": "contact"}
    )
    runtime.memory.remember("The contract was renewed in March", "acme", metadata={"kind": "deal"})
    return runtime.memory.remember("Invoices are paid late", "globex")


def test_a_memory_is_found_by_its_words_and_never_from_another_namespace(tmp_path: Path) -> None:
    with Runtime(tmp_path / "m.db", embedder="none") as runtime:
        filled(runtime)
        assert texts(runtime, "who gets an invoice?") == ["Invoices go to Nora in accounting"]
        assert texts(runtime, "invoice", "globex") == ["Invoices are paid late"]
        assert texts(runtime, "invoice", "nobody") == []
        assert texts(runtime, 'a "strange" NEAR( query*') == []


def test_filters_hold(tmp_path: Path) -> None:
    with Runtime(tmp_path / "m.db", embedder="none") as runtime:
        filled(runtime)
        assert texts(runtime, "invoices contract", kind="deal") == [
            "The contract was renewed in March"
        ]
        assert texts(runtime, "invoices contract", kind="none") == []


def test_the_answers_are_the_same_after_reopening_and_after_a_rebuild(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Runtime(path, embedder="none") as runtime:
        filled(runtime)
        before = runtime.memory.recall("invoices contract", "acme")
    with Runtime(path, embedder="none") as runtime:
        assert runtime.memory.recall("invoices contract", "acme") == before
    for left in tmp_path.glob(f"{views_path(path).name}*"):
        left.unlink()
    with Runtime(path, embedder="none") as runtime:
        assert runtime.memory.recall("invoices contract", "acme") == before


def test_what_is_forgotten_is_not_recalled(tmp_path: Path) -> None:
    with Runtime(tmp_path / "m.db", embedder="none") as runtime:
        memory = filled(runtime)
        runtime.memory.forget(memory, "settled")
        assert texts(runtime, "invoices", "globex") == []
        with pytest.raises(UsageError, match="no memory"):
            runtime.memory.forget(memory)


def test_a_memory_without_a_text_is_refused(tmp_path: Path) -> None:
    with (
        Runtime(tmp_path / "m.db", embedder="none") as runtime,
        pytest.raises(UsageError, match="needs a text"),
    ):
        runtime.memory.remember(" ", "acme")
