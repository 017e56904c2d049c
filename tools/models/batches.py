"""The Message Batches API: one request a batch, at half price, answered within a day.

Every call returns at once: with the reply if the batch has ended, else with the error batch_pending
that names the batch. Where an earlier attempt may have submitted the request without saying so (a
crash), the batches made since are looked through for its id first.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, TypeAlias, cast

from pydantic_core import to_json

from playhead.events.errors import ModelError
from playhead.events.model_api import BatchJob, Reply, Request
from playhead.tools.models.errors import malformed, refused
from playhead.tools.models.stream import Assembler

Client: TypeAlias = Any
"""One of the SDK's clients."""

PATH = "/v1/messages/batches"

PAUSE = 60.0
"""Seconds after which a batch is asked about again."""


async def reply_in_batch(client: Client, request: Request, job: BatchJob) -> Reply:
    """The reply to a request that a batch holds, or is given now. Raises ModelError."""
    batch = job.batch
    if not batch and job.since is not None:
        batch = await _holding(client, job, job.since)
    if not batch:
        asked = {"custom_id": job.id, "params": request.body}
        made = await _post(client, {"requests": [asked]})
        raise _pending(str(made["id"]))
    about = await _get(client, f"{PATH}/{batch}")
    if job.cancel and about["processing_status"] == "in_progress":
        about = await _cancelled(client, batch)
    if about["processing_status"] == "canceling":
        raise _pending(batch, "is being cancelled; what it did before may be billed")
    if about["processing_status"] != "ended":
        raise _pending(batch)
    async for answered in _results(client, batch):
        if answered["custom_id"] == job.id:
            return _reply(answered["result"])
    raise malformed(why=f"batch {batch} has ended without a result for its request")


def _pending(batch: str, state: str = "has not ended") -> ModelError:
    message = f"{f'batch {batch}' if batch else 'a batch that may hold it'} {state}"
    return ModelError(
        error="batch_pending", message=message, retryable=True, retry_after=PAUSE, batch=batch
    )


def _reply(result: Mapping[str, Any]) -> Reply:
    match result["type"]:
        case "succeeded":
            assembler = Assembler()
            assembler.whole(to_json(result["message"]))
            reply = assembler.reply()
            if "batch" in reply.usage.rates:
                return reply
            rates = (*reply.usage.rates, "batch")
            usage = reply.usage.model_copy(update={"rates": rates})
            return Reply(
                reply.content, reply.stop_reason, usage, reply.model, None, reply.envelope
            )  # fmt: skip
        case "errored":
            error = refused(400, result["error"], {})
            error.retryable = False
            raise error
        case kind:
            message = f"the batch ended without a reply: its request was {kind}"
            raise ModelError(error=f"batch_{kind}", message=message, status=400)


async def _holding(client: Client, job: BatchJob, since: int) -> str:
    """The batch that holds the request; empty if none does.

    What a batch holds is known once it has ended. Raises batch_pending for one that may hold it.
    """
    unknown = False
    async for batch in _made_since(client, since):
        if batch["processing_status"] != "ended":
            unknown = True
        elif await _holds(client, batch["id"], job.id):
            return str(batch["id"])
    if unknown:
        raise _pending(batch="")
    return ""


async def _made_since(client: Client, since: int) -> AsyncIterator[dict[str, Any]]:
    """The batches of one request that were made since, newest first."""
    page = ""
    while True:
        found = await _get(client, f"{PATH}?limit=100{page}")
        for batch in found["data"]:
            if datetime.fromisoformat(batch["created_at"]).timestamp() * 1_000_000 < since:
                return
            if sum(batch["request_counts"].values()) == 1:
                yield batch
        if not found["has_more"]:
            return
        page = f"&after_id={found['last_id']}"


async def _holds(client: Client, batch: str, job: str) -> bool:
    return any([answered["custom_id"] == job async for answered in _results(client, batch)])


async def _post(client: Client, body: Mapping[str, Any]) -> dict[str, Any]:
    made = await client.post(PATH, cast_to=object, body=body, options={"max_retries": 0})
    return cast("dict[str, Any]", made)


async def _cancelled(client: Client, batch: str) -> dict[str, Any]:
    """The batch, once it is asked to end; one that has just ended is given as it is."""
    try:
        made = await client.post(f"{PATH}/{batch}/cancel", cast_to=object, body={})
    except Exception:
        about = await _get(client, f"{PATH}/{batch}")
        if about["processing_status"] == "in_progress":
            raise
        return about
    return cast("dict[str, Any]", made)


async def _get(client: Client, path: str) -> dict[str, Any]:
    return cast("dict[str, Any]", await client.get(path, cast_to=object))


async def _results(client: Client, batch: str) -> AsyncIterator[dict[str, Any]]:
    jsonl: Any = import_module("anthropic._decoders.jsonl")
    kind = jsonl.AsyncJSONLDecoder[object]
    decoder: Any = await client.get(f"{PATH}/{batch}/results", cast_to=kind, stream=True)
    async for line in decoder:
        yield line
