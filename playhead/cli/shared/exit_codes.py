"""Exit codes, the same for every command."""

OK = 0
NO = 1
"""It worked, and the answer is no: the run failed, the replay diverged, the log has a fault."""
MISTAKE = 2
"""The command asks for what cannot be: no such run, a wrong option, no model to ask."""
LOG = 3
"""The log cannot be used: owned by another process, damaged, too new."""
OPEN = 4
"""The run has not ended: it is paused, or waits."""
INTERRUPTED = 130
"""Ctrl-C."""

TABLE = """\b
Exit codes:
  0    it worked
  1    it worked, and the answer is no: the run failed or was cancelled, the
       replay diverged, the log has a fault
  2    a mistake in the command: no such run, a wrong option, no model to ask
  3    the log cannot be used: owned by another process, damaged, too new
  4    the run has not ended: it is paused, or nobody has taken it up
  130  interrupted (Ctrl-C)
"""
