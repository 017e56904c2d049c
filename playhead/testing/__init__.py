"""How are agents and logs tested? Doubles, recorded runs, and the log contract.

    from playhead.testing import RecordedRun, ScriptedModel, call
    from playhead.testing.log_contract import LogContract

`ScriptedModel` follows a script. `RecordedRun` is a run that happened, for assertions and forks;
the pytest plugin turns recorded runs into test cases. `LogContract` is the test suite for log
backends. `playhead.simulation` runs an agent a thousand times while processes die.
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
