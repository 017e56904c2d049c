"""Playhead inside a FastAPI application: one runtime, opened and closed with the application.

uvicorn docs.examples.fastapi_app:app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from playhead import Agent, Runtime, tool


@tool(effect="read")
def stock(article: str) -> int:
    """Say how many pieces of an article are in stock. Use it before promising a delivery.

    Args:
        article: the article's name, in the singular.
    """
    return {"chair": 12, "table": 0}.get(article, 0)


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
