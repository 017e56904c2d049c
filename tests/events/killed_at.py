"""A real kill -9 at the nth step that some code takes on the file system, for every n there is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.events.processes import child, line_from

FORKS = """
import signal
STEPS = ("os.rename", "os.remove", "os.link", "open", "sqlite3.connect")

def die_at(left):
    def step(event, _):
        nonlocal left
        if event in STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)

def attempt(n, victim):
    pid = os.fork()  # nothing else runs in this process, and no log is open in it
    if pid == 0:
        die_at(n)
        act(victim)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

for n, line in enumerate(sys.stdin, 1):
    print(attempt(n, line.strip()), flush=True)
"""


def kills(code: str, victims: Iterable[Path], path: Path, *arguments: str) -> Iterator[Path]:
    """Let `act(victim)` of the code run on one victim after the other, killed one step later each.

    Yields each victim after that; ends with the first one for which `act` came to its end.
    """
    process = child(code + FORKS, path, *arguments)
    assert process.stdin is not None
    try:
        for victim in victims:
            process.stdin.write(f"{victim}\n")
            process.stdin.flush()
            status = int(line_from(process))
            yield victim
            if status == 0:
                return
            assert status == 9, status
    finally:
        process.communicate()
