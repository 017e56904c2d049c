"""Who decides here: what this process knows about itself."""

import getpass
import os
import sys

from playhead.events.kinds.approvals import Decider


def this_process() -> Decider:
    """The user, the process and its terminal; for `ApprovalDecided.by`."""
    return Decider(user=_user(), process=os.getpid(), terminal=_terminal())


def _user() -> str:
    """By the account's number, because the environment may contain any name."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:  # a system without it
        return getpass.getuser()
    except KeyError:  # an account without a name, as in many containers
        return str(os.getuid())


def _terminal() -> str | None:
    for stream in (sys.__stdin__, sys.__stderr__, sys.__stdout__):
        try:
            if stream is not None and stream.isatty():
                return os.ttyname(stream.fileno())
        except (OSError, ValueError, AttributeError):  # closed, or a system without names
            continue
    return None
