"""A run as AG-UI events, for pages built with that protocol (pip install ag-ui-protocol).

In a FastAPI route: StreamingResponse(stream(run, thread), media_type="text/event-stream")
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from ag_ui.core import (
    BaseEvent,
    CustomEvent,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from ag_ui.encoder import EventEncoder
from pydantic_core import to_json

from playhead import EndUpdate, Run, RunUpdate, StepUpdate, TextUpdate, ToolUpdate, Update

RESULTS = ("finished", "answered", "failed", "expired", "refused", "unknown")


class AgUi:
    """Makes AG-UI events of a run's updates, in order. What AG-UI has no word for is custom."""

    def __init__(self, run: str, thread: str) -> None:
        self._run, self._thread = run, thread
        self._message: str | None = None
        """The text message that is open."""

    def events(self, update: Update) -> Iterator[BaseEvent]:
        """The events of one update."""
        if not isinstance(update, TextUpdate) and self._message is not None:
            yield TextMessageEndEvent(message_id=self._message)
            self._message = None
        match update:
            case RunUpdate(state="started"):
                yield RunStartedEvent(thread_id=self._thread, run_id=self._run)
            case TextUpdate(text=text):
                yield from self._text(f"{self._run}:{update.seq}", text)
            case StepUpdate(step=step, state="started"):
                yield StepStartedEvent(step_name=step)
            case StepUpdate(step=step):
                yield StepFinishedEvent(step_name=step)
            case ToolUpdate():
                yield from self._tool(update)
            case EndUpdate():
                yield from self._end(update)
            case _:
                yield CustomEvent(name=f"playhead.{update.type}", value=update.model_dump())

    def _text(self, message: str, text: str) -> Iterator[BaseEvent]:
        if self._message not in (None, message):
            yield TextMessageEndEvent(message_id=str(self._message))
            self._message = None
        if self._message is None:
            self._message = message
            yield TextMessageStartEvent(message_id=message, role="assistant")
        yield TextMessageContentEvent(message_id=message, delta=text)

    def _tool(self, update: ToolUpdate) -> Iterator[BaseEvent]:
        call = f"{self._run}:{update.call}"
        if update.state == "requested":
            yield ToolCallStartEvent(tool_call_id=call, tool_call_name=update.tool)
            arguments = to_json(update.arguments or {}).decode()
            yield ToolCallArgsEvent(tool_call_id=call, delta=arguments)
            yield ToolCallEndEvent(tool_call_id=call)
        elif update.state in RESULTS:
            text = update.text or update.state
            yield ToolCallResultEvent(
                message_id=f"{call}:{update.seq}", tool_call_id=call, content=text
            )
        else:
            yield CustomEvent(name=f"playhead.tool.{update.state}", value=update.model_dump())

    def _end(self, update: EndUpdate) -> Iterator[BaseEvent]:
        if update.status == "finished":
            result: Any = update.answer if update.output is None else update.output
            yield RunFinishedEvent(thread_id=self._thread, run_id=self._run, result=result)
        else:
            yield RunErrorEvent(message=update.message or update.status, code=update.reason)


async def stream(run: Run[Any], thread: str) -> AsyncIterator[str]:
    """Server-sent events of a run; the thread is your conversation."""
    made, encoder = AgUi(run.id, thread), EventEncoder()
    async for update in run.updates():
        for event in made.events(update):
            yield encoder.encode(event)
