"""A small support service: sessions, a page with server-sent events, approvals, webhooks, errors.

uvicorn docs.examples.fastapi_app:app
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Cookie, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from playhead import (
    AdmissionRefused,
    Agent,
    AnswerRefused,
    LogError,
    NotStorable,
    PlayheadError,
    Run,
    Runtime,
    RuntimeClosed,
    SessionBusy,
    StorageUnavailable,
    UnknownRun,
    UsageError,
    to_sse,
    tool,
)

PAGE = Path(__file__).with_name("support_page.html").read_text()

STATUSES: dict[type[PlayheadError], int] = {
    SessionBusy: 409,  # the session's run has not ended
    AdmissionRefused: 429,  # too many open runs
    UnknownRun: 404,
    UsageError: 422,  # such as an approval that nobody waits for any more
    NotStorable: 422,  # such as a text with half a surrogate pair
    StorageUnavailable: 503,  # the disk is full, or its log is locked
    RuntimeClosed: 503,  # the service is stopping
    LogError: 500,  # the log is damaged, gone or another process's: a person must look
}
"""The nearest class counts: StorageUnavailable before the LogError that it is."""

ANSWERS = {
    "answered": 200, "wrong_type": 422, "expired": 410, "run_ended": 410, "not_waiting": 404,
    "too_early": 425,
}  # fmt: skip
"""Statuses of refused answers. A repeated delivery is no error: the sender may stop."""


@tool(approval=True)
def refund(order: str, euros: float) -> str:
    """Pay the price of an order back. Use it when a customer has sent the goods back.

    Args:
        order: the order's number, such as "1043".
        euros: how much to pay back.
    """
    return f"{euros} euros were paid back for order {order}"


def status_of(error: PlayheadError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, AnswerRefused):
        return ANSWERS[error.reason]
    return next((STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES), 500)


async def failed(_: Request, error: Exception) -> JSONResponse:
    """Any error of Playhead as a response: its class and its message."""
    assert isinstance(error, PlayheadError)
    status = status_of(error)
    headers = {"Retry-After": "5"} if status in (429, 503) else None
    said = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, AnswerRefused):
        said["reason"] = error.reason
    return JSONResponse(said, status, headers)


async def who(user: Annotated[str, Cookie()] = "") -> str:
    """Who asks. A cookie stands in for your login here."""
    if not user:
        raise HTTPException(401, "open / with ?user=NAME first")
    return user


User = Annotated[str, Depends(who)]


async def own(run: str, user: User, request: Request) -> Run[Any]:
    """The user's own run; anybody else's is not found."""
    found: Run[Any] = request.app.state.runtime.attach(run)
    async for record in found.events():  # the first one holds the metadata
        if getattr(record.event, "metadata", {}).get("user") == user:
            return found
        break
    raise UnknownRun(run)


OwnRun = Annotated[Run[Any], Depends(own)]


router = APIRouter()


@router.get("/")
def page(user: str = "") -> HTMLResponse:
    """The page; `?user=NAME` logs in."""
    response = HTMLResponse(PAGE)
    if user:
        response.set_cookie("user", user, httponly=True, samesite="strict")
    return response


@router.post("/sessions/{session}/messages", status_code=202)
def say(
    session: str, user: User, request: Request, text: Annotated[str, Body(embed=True)]
) -> dict[str, str]:
    """Start a run of the user's session; 409 while its last one goes on."""
    runtime: Runtime = request.app.state.runtime
    metadata = {"user": user}
    run = runtime.start(
        request.app.state.agent, text, session=f"{user}/{session}", metadata=metadata
    )
    return {"run": run.id}


@router.get("/runs/{run}/updates")
async def updates(run: OwnRun, last_event_id: Annotated[int, Header()] = 0) -> StreamingResponse:
    """Server-sent events until the run ends; a browser that comes back reads on."""

    async def events() -> AsyncIterator[str]:
        async for update in run.updates(after=last_event_id):
            yield to_sse(update)

    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


@router.post("/runs/{run}/approvals/{call}", status_code=202)
def decide(call: int, run: OwnRun, approved: Annotated[bool, Body(embed=True)]) -> None:
    """The user's verdict on a call that waits for it."""
    if approved:
        run.approve(call)
    else:
        run.deny(call, "the user said no")


@router.post("/runs/{run}/cancel", status_code=202)
def cancel(run: OwnRun) -> None:
    """Stop the run: open effects are cancelled."""
    run.cancel("cancelled on the page")


@router.post("/runs/{run}/calls/{call}/answer", status_code=202)
def answer(
    run: str, call: int, request: Request, body: Annotated[dict[str, Any], Body()]
) -> dict[str, str]:
    """A webhook: {"result": ...} or {"error": "..."} for a deferred call. Check its signature."""
    runtime: Runtime = request.app.state.runtime
    if "error" in body:
        runtime.fail(run, call, str(body["error"]))
    else:
        runtime.complete(run, call, body.get("result"))
    return {"reason": "accepted"}


def make_app(agent: Agent[Any], log: str = "support.db") -> FastAPI:
    """The service around one agent."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        with Runtime(log, agents=[agent]) as runtime:
            app.state.runtime = runtime
            yield

    app = FastAPI(lifespan=lifespan)
    app.state.agent = agent
    app.include_router(router)
    app.add_exception_handler(PlayheadError, failed)
    return app


app = make_app(Agent(name="support", instructions="You help customers.", tools=[refund]))
