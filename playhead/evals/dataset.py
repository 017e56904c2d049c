"""Datasets: cases from a file, from Python, or from the runs of a log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from playhead.evals.case import Case
from playhead.evals.evaluators import AnyEvaluator, Given, evaluator_of
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.service.wait_reader import WaitReader, Wanted
from playhead.tools.tool import canonical
from playhead.tools.validation.did_you_mean import nearest

if TYPE_CHECKING:
    from playhead.events.event import Json

FROM_FILES = {each.name for each in fields(Case)} - {"set_up", "clean_up"}


@dataclass(frozen=True)
class Dataset:
    """Cases under a name, and the evaluators that judge each of them.

    Raises UsageError for no cases, or two with one id.
    """

    name: str
    cases: Sequence[Case]
    evaluators: Sequence[Given] = ()

    def __post_init__(self) -> None:
        numbered = [
            case if case.id else replace(case, id=str(number))
            for number, case in enumerate(self.cases, 1)
        ]
        if not numbered:
            msg = f"dataset {self.name}: it has no cases"
            raise UsageError(msg)
        seen = set[str]()
        for case in numbered:
            if case.id in seen:
                msg = f"dataset {self.name}: two cases have the id {case.id!r}"
                raise UsageError(msg)
            seen.add(case.id)
        object.__setattr__(self, "cases", tuple(numbered))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the cases as data."""
        documents: list[Json] = [case.document() for case in self.cases]
        return sha256(canonical(documents)).hexdigest()

    def evaluators_of(self, case: Case, more: Sequence[Given] = ()) -> list[AnyEvaluator]:
        """All that judge a case, by name. Raises UsageError, also for what the case lacks."""
        found = dict[str, AnyEvaluator]()
        for given in (*self.evaluators, *more, *case.evaluators):
            evaluator = evaluator_of(given)
            check = getattr(evaluator, "check", None)
            if check is not None:
                check(case)
            if evaluator.name in found and found[evaluator.name] != evaluator:
                msg = f"two evaluators have the name {evaluator.name!r}: rename one"
                raise UsageError(msg)
            found[evaluator.name] = evaluator
        return list(found.values())

    @classmethod
    def load(cls, path: Path | str) -> "Dataset":
        """A JSONL file, one case a line; or a YAML or JSON file: a list, or `cases` and more.

        An object with `name`, `evaluators` and `cases` says what judges all of its cases; in a
        JSONL file a first line without a goal and a run may say so. Raises UsageError, which names
        the line or the case.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            msg = f"dataset {path}: {why}"
            raise UsageError(msg) from error
        lines = path.suffix == ".jsonl"
        found = _lines(path, text) if lines else _document(path, text)
        head: dict[str, Any] = {}
        if isinstance(found, Mapping):
            head = dict(cast("Mapping[str, Any]", found))
            found = head.pop("cases", [])
        elif lines and found and "goal" not in found[0] and "run" not in found[0]:
            head, found = found[0], found[1:]
        for unknown in head.keys() - {"name", "evaluators"}:
            msg = f"dataset {path}: {unknown!r} is not known: name, evaluators, cases"
            raise UsageError(msg)
        cases = [_case(path, number, each) for number, each in enumerate(found, 1)]
        return cls(str(head.get("name") or path.stem), cases, head.get("evaluators") or ())

    @classmethod
    def from_runs(cls, log: Reader, *, again: bool = True, **wanted: Unpack[Wanted]) -> "Dataset":
        """The runs of a log as cases, oldest first; filters as in `find_runs`.

        `again`: their goals are tried anew; False: the recorded runs themselves are judged. Child
        runs are left out. Raises UsageError if there are none.
        """
        wanted.setdefault("children", False)
        found = WaitReader(log)
        try:
            rows = found.runs(**wanted)
        finally:
            found.close()
        cases = [_of_run(log, row.run, again) for row in reversed(rows)]
        return cls("runs", cases)

    @classmethod
    def from_forks(cls, runs: Iterable[str], at: int, **case: Any) -> "Dataset":
        """Cases that continue recorded runs from record `at`: the past costs nothing.

        `case`: fields that all have, such as `evaluators`.
        """
        return cls("forks", [Case(id=run, run=run, at=at, **case) for run in runs])


def _of_run(log: Reader, run: str, again: bool) -> Case:
    row = next(log.read(run, 0, 1))
    started = decode(row, log.body).event
    if not isinstance(started, RunStarted):
        msg = f"run {run} is a fork: try it with from_forks"
        raise UsageError(msg)
    metadata = started.metadata
    if again:
        return Case(id=run, goal=started.goal or "(content)", metadata=metadata)
    return Case(id=run, goal=started.goal, run=run, metadata=metadata)


def _lines(path: Path, text: str) -> list[Any]:
    found: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except ValueError as error:
            msg = f"dataset {path}, line {number}: {error}"
            raise UsageError(msg) from error
        if not isinstance(found[-1], dict):
            msg = f'dataset {path}, line {number}: write an object, such as {{"goal": ...}}'
            raise UsageError(msg)
    return found


def _document(path: Path, text: str) -> Any:
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            msg = f"dataset {path}: {error}"
            raise UsageError(msg) from error
    if path.suffix not in (".yaml", ".yml"):
        msg = f"dataset {path}: a dataset is a .jsonl, .json, .yaml or .yml file"
        raise UsageError(msg)
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        msg = "datasets in YAML need the extra: pip install 'playhead[evals]'"
        raise UsageError(msg) from error
    try:
        return yaml.safe_load(text) or []
    except yaml.YAMLError as error:
        msg = f"dataset {path}: {' '.join(str(error).split())}"
        raise UsageError(msg) from error


def _case(path: Path, number: int, given: Any) -> Case:
    where = f"dataset {path}, case {number}"
    if not isinstance(given, dict):
        msg = f'{where}: write an object, such as {{"goal": ...}}'
        raise UsageError(msg)
    case = cast("dict[str, Any]", given)
    for unknown in case.keys() - FROM_FILES:
        close = nearest(unknown, sorted(FROM_FILES))
        msg = f"{where}: {unknown!r} is not known" + (f": {close}?" if close else "")
        raise UsageError(msg)
    case["evaluators"] = tuple(case.get("evaluators") or ())
    labels = cast("dict[object, object]", case.get("metadata") or {})
    case["metadata"] = {str(key): str(value) for key, value in labels.items()}
    case["id"] = str(case.get("id") or number)
    made = Case(**case)
    made.text()
    return made
