"""Which agent is better, and how sure is that? Evaluations over datasets, recorded in the log.

from playhead.evals import Case, Contains, Dataset, evaluate
"""

from types import ModuleType
from typing import TYPE_CHECKING

from playhead.lazy import lazy_names

if TYPE_CHECKING:
    from playhead.evals.public import *  # noqa: F403


def _public() -> ModuleType:
    import playhead.evals.public as public

    return public


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _public)
