"""Playhead inside a FastAPI application: one runtime, opened and closed with the application.

uvicorn docs.examples.fastapi_app:app
"""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from playhead import Agent, AnswerRefused, Runtime, UnknownRun, tool


@tool(effect="read")
def stock(article: str) -> int:
    """Say how many pieces of an article are in stock. Use it before promising a delivery.

    Args:
        article: the article's name, in the singular.
    """
    return {"chair": 12, "table": 0}.get(article, 0)


STATUS = {
    "answered": 200, "wrong_type": 422, "expired": 410, "run_ended": 410, "not_waiting": 404,
    "too_early": 425,
}  # fmt: skip
"""HTTP statuses of refused answers. A repeated delivery is no error: the sender may stop."""


async def answered(runtime: Runtime, run: str, call: int, body: dict[str, Any]) -> JSONResponse:
    """Give the answer of a deferred call, and say what became of it."""
    try:
        if "error" in body:
            await to_thread(runtime.fail, run, call, str(body["error"]))
        else:
            await to_thread(runtime.complete, run, call, body.get("result"))
    except AnswerRefused as refused:
        said = {"reason": refused.reason, "message": str(refused)}
        return JSONResponse(said, STATUS[refused.reason])
    except UnknownRun as unknown:
        return JSONResponse({"reason": "unknown_run", "message": str(unknown)}, 404)
    return JSONResponse({"reason": "accepted"}, 202)


def make_app(agent: Agent[str], log: str = "shop.db") -> FastAPI:
    """The application around one agent."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with Runtime(log, agents=[agent]) as runtime:
            app.state.runtime = runtime
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/ask")
    async def ask(goal: str, request: Request) -> dict[str, str]:
        runtime: Runtime = request.app.state.runtime
        result = await runtime.start(agent, goal)
        return {"run": result.run_id, "answer": result.answer}

    @app.post("/runs/{run}/calls/{call}/answer")
    async def answer(
        run: str, call: int, request: Request, body: Annotated[dict[str, Any], Body()]
    ) -> JSONResponse:
        """A webhook: {"result": ...} or {"error": "..."} for a deferred call."""
        return await answered(request.app.state.runtime, run, call, body)

    @app.get("/runs/{run}/events")
    async def events(run: str, request: Request) -> StreamingResponse:
        runtime: Runtime = request.app.state.runtime
        listening = runtime.attach(run).events()

        async def lines() -> AsyncIterator[str]:
            async for record in listening:
                yield f"{record.seq} {record.event.kind}\n"

        return StreamingResponse(lines(), media_type="text/plain")

    return app


app = make_app(Agent(name="shop", instructions="You answer customers.", tools=[stock]))
