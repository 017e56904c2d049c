"""What are agents and logs tested with? Doubles, recorded runs, and the log contract.

    from playhead.testing import RecordedRun, ScriptedModel, call
    from playhead.testing.log_contract import LogContract

`ScriptedModel` says what its script says. `RecordedRun` is a run that happened, to be asserted
about and forked; the pytest plugin makes cases of them. `LogContract` is what every log backend
passes. `playhead.simulation` lives through an agent a thousand times while processes die.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from playhead.lazy import lazy_names

if TYPE_CHECKING:
    from playhead.testing.public import *  # noqa: F403


def _public() -> ModuleType:
    import playhead.testing.public as public

    return public


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _public)
