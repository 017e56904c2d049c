"""The inbox of a simulated run: in memory, surviving every process, served like the real one.

The real file is exercised by the tests of real kills (tests/crash).
"""

from typing import NamedTuple

from playhead.events.errors import StorageUnavailable
from playhead.events.event import Event
from playhead.simulation.process.process import Process

LOOK_AGAIN = 1.0
"""Seconds until an inbox is served again whose commands could not be written."""


class QueuedCommand(NamedTuple):
    """A command left by its sender."""

    id: str
    run: str
    event: Event


class SimulatedInbox:
    """Commands between `put` and the commit of their record."""

    def __init__(self) -> None:
        self._commands: dict[str, QueuedCommand] = {}
        self._count = 0
        self._served: set[tuple[int, str]] = set()

    def put(self, run: str, event: Event) -> None:
        """Leave a command."""
        self._count += 1
        command = f"command-{self._count}"
        self._commands[command] = QueuedCommand(command, run, event)

    def serve(self, process: Process) -> None:
        """Process all waiting commands like the owner: append each, or drop it if present."""
        for command in list(self._commands.values()):
            if process.log.has_command(command.id):
                process.ledger.told.add(command.id)
                del self._commands[command.id]
            elif (process.number, command.id) not in self._served:
                self._served.add((process.number, command.id))
                self._tell(process, command)

    def _tell(self, process: Process, command: QueuedCommand) -> None:
        def told(error: Exception | None) -> None:
            if isinstance(error, StorageUnavailable):  # it waits here, and is served again
                self._served.discard((process.number, command.id))
                process.loop.call_later(LOOK_AGAIN, self.serve, process)
            else:
                self._commands.pop(command.id, None)

        process.tell(command.run, command.event, told, command=command.id)
