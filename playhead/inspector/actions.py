"""What a person does on a page: every action is asked twice there, and is one event in the log."""

from collections.abc import Callable
from typing import TypeAlias

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from playhead.events.errors import PlayheadError, UsageError
from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.runs import CancelRequested
from playhead.events.kinds.tool_calls import CallAnswered
from playhead.events.log.run_agent import agent_of
from playhead.forking import Instead
from playhead.inspector.control import Control
from playhead.inspector.rendering import Renderer
from playhead.service.decider import this_process

ANSWER = TypeAdapter(dict[str, Json])

Act: TypeAlias = Callable[[Control, str], str | None]
"""Acts on a run; the id of another run that it made, if it did."""


class Actions:
    """The pages to which forms are sent; refused to whoever may only read."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def routes(self) -> list[Route]:
        """Where the forms go."""
        run = "/runs/{run}"
        paths = {
            "/approvals/{call:int}": self.decide, "/answers/{call:int}": self.answer,
            "/cancel": self.cancel, "/resume": self.resume, "/fork": self.fork,
        }  # fmt: skip
        return [Route(run + path, page, methods=["POST"]) for path, page in paths.items()]

    async def decide(self, request: Request) -> Response:
        """Append a person's verdict; bound to what they were shown."""
        form = await request.form()
        try:
            answer = answer_of(_text(form, "answer"))
        except UsageError as error:
            return self._refused(request, str(error))
        event = ApprovalDecided(
            call=request.path_params["call"], binding=str(form.get("binding", "")),
            approved=form.get("verdict") == "approve", reason=_text(form, "reason"),
            arguments=answer, by=this_process(),
        )  # fmt: skip
        return await self._tell(request, event)

    async def answer(self, request: Request) -> Response:
        """Append the answer of a deferred call: JSON, or text."""
        form = await request.form()
        given, call = str(form.get("answer", "")), request.path_params["call"]
        if form.get("verdict") == "complete":
            event = CallAnswered(call=call, result=json_or_text(given), by=this_process())
        else:
            event = CallAnswered(call=call, error=given or "it failed", by=this_process())
        return await self._tell(request, event)

    async def cancel(self, request: Request) -> Response:
        """Cancel a run."""
        form = await request.form()
        return await self._tell(request, CancelRequested(reason=_text(form, "reason") or ""))

    async def resume(self, request: Request) -> Response:
        """Go on with a run that is paused, or that waits for its model."""
        return await self._act(request, lambda control, run: control.resume(run))

    async def fork(self, request: Request) -> Response:
        """Fork a run with a change."""
        form = await request.form()
        try:
            at, instead = self._changes(request.path_params["run"], form)
        except UsageError as error:
            return self._refused(request, str(error))
        return await self._act(request, lambda control, run: control.fork(run, at, instead))

    def _changes(self, run: str, form: FormData) -> tuple[int | None, Instead]:
        """What a form wants changed. Raises UsageError for what is no number."""
        at, steps, call = (_number(form, name) for name in ("at", "max_steps", "call"))
        given = _text(form, "result")
        if (call is None) != (given is None):
            msg = "a changed result needs both: the number of the call, and what it gave"
            raise UsageError(msg)
        limits = None
        if steps is not None:
            before = agent_of(self._renderer.library.reader, run).limits
            limits = before.model_copy(update={"max_steps": steps})
        return at, Instead(
            model=_text(form, "model"), instructions=_text(form, "instructions"),
            message=_text(form, "message"), limits=limits,
            results={} if call is None else {call: json_or_text(given or "")},
        )  # fmt: skip

    async def _tell(self, request: Request, event: Event) -> Response:
        return await self._act(request, lambda control, run: control.tell(run, event))

    async def _act(self, request: Request, act: Act) -> Response:
        control, run = self._renderer.control, request.path_params["run"]
        if control is None or not self._renderer.allowed(request):
            text = (
                "This link only reads. Open the approver's link (playhead serve --allow-approvals)."
            )
            return self._renderer.message(request, 403, "Not allowed", text, f"/runs/{run}")
        try:
            made = await run_in_threadpool(act, control, run)
        except PlayheadError as error:
            return self._refused(request, str(error))
        return RedirectResponse(f"/runs/{made or run}", 303)

    def _refused(self, request: Request, why: str) -> Response:
        back = f"/runs/{request.path_params['run']}"
        return self._renderer.message(request, 409, "It was not recorded", why, back)


def answer_of(text: str | None) -> dict[str, Json] | None:
    """What a person typed as the answer to a tool. Raises UsageError."""
    try:
        return None if text is None else ANSWER.validate_json(text)
    except ValidationError as error:
        msg = f"the answer is not a JSON object: {text}"
        raise UsageError(msg) from error


def json_or_text(text: str) -> Json:
    """What a person typed: JSON, and anything else as text."""
    try:
        found: Json = from_json(text)
    except ValueError:
        return text
    return found


def _text(form: FormData, name: str) -> str | None:
    return str(form.get(name, "")).strip() or None


def _number(form: FormData, name: str) -> int | None:
    text = _text(form, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 1 << 40:
        msg = f"{name.replace('_', ' ')}: {text!r} is not a number above 0"
        raise UsageError(msg)
    return int(text)
