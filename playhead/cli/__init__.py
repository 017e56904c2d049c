"""The command line. One module per group of commands; `app` puts them together.

Nothing is imported here but the standard library: from the first moment Ctrl-C ends it quietly.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command in this process; its exit code."""
    from playhead.cli.app import main

    return main(arguments)


def script() -> NoReturn:
    """`playhead` in a shell. Ctrl-C is 130 without a traceback, also while it is imported."""
    signal.signal(signal.SIGINT, _leave)
    from playhead.cli.app import main

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, _leave)
    sys.exit(code)


def _leave(_: int, __: FrameType | None) -> None:
    os._exit(INTERRUPTED)
