"""The only Pykka code: a role as an actor whose mailbox is served by the runtime's event loop.

Standard Pykka gives each actor a thread, drops the mailbox of an actor that fails, stops every
actor on SystemExit and supervises nothing. Here the four actors share one loop: `tell` puts the
message into the mailbox and asks the dispatcher for a slot, so a hop costs no thread switch.
Exceptions from a handler go to the supervisor, and the actor stays alive. A simulator supplies its
own dispatcher.
"""

import queue
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import pykka

from playhead.actors.engine.turn import Turn
from playhead.actors.roles.role import Role
from playhead.events.record import Record

Dispatch: TypeAlias = Callable[[Callable[[], None]], object]
"""Runs the given function on the runtime's loop, now or soon."""


class LoopDispatcher:
    """Serves mailboxes immediately, one message at a time, before the caller continues.

    A hop from actor to actor costs no thread switch and no iteration of the event loop, and
    messages are never served recursively.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._serving = False

    def __call__(self, serve: Callable[[], None]) -> None:
        """Serve now, or queue it for the call that is already serving. Called on the loop."""
        self._waiting.append(serve)
        if self._serving:
            return
        self._serving = True
        try:
            while self._waiting:
                self._waiting.popleft()()
        finally:
            self._serving = False


class Supervisor(Protocol):
    """Is told how each role's part in a turn went."""

    def visited(self, turn: Turn, role: Role, record: Record) -> None:
        """The role decided on one record of the turn."""
        ...

    def raised(self, turn: Turn, role: Role, error: Exception) -> None:
        """The role raised; the turn's state is no longer usable."""
        ...


class Mailbox:
    """A mailbox that requests a slot on the loop whenever a message arrives."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        self.ask_for_slot: Callable[[], object] = lambda: None

    def put(self, envelope: Any, /) -> None:
        """Add a message."""
        self._messages.append(envelope)
        self.ask_for_slot()

    def get(self) -> Any:
        """The oldest message. Raises queue.Empty instead of waiting."""
        if not self._messages:
            raise queue.Empty
        return self._messages.popleft()

    def empty(self) -> bool:
        """Whether there are no messages."""
        return not self._messages


class RoleActor(pykka.Actor):
    """A role as an actor: shows it one record of a turn, then notifies the supervisor."""

    def __init__(self, role: Role, supervisor: Supervisor, dispatch: Dispatch) -> None:
        super().__init__()
        self._shown = role
        self._supervisor = supervisor
        self._dispatch = dispatch

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    def _start_actor_loop(self) -> None:
        """Starts no thread: each message requests one slot on the loop.

        The actor leaves Pykka's global registry, so that a `stop_all` (or a SystemExit in an actor)
        of the host program does not stop it.
        """
        pykka.ActorRegistry.unregister(self.actor_ref)
        inbox = self.actor_inbox
        assert isinstance(inbox, Mailbox)
        inbox.ask_for_slot = lambda: self._dispatch(self._serve_one)

    def _serve_one(self) -> None:
        if not self.actor_stopped.is_set() and not self.actor_inbox.empty():
            self._handle_receive(self.actor_inbox.get().message)

    def on_receive(self, message: Turn) -> None:
        """Visit the role; its exceptions do not end the actor."""
        try:
            record = message.visit(self._shown)
        except Exception as error:
            self._supervisor.raised(message, self._shown, error)
        else:
            self._supervisor.visited(message, self._shown, record)
