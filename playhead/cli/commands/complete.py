"""`complete`, `fail`: the answer of a deferred call, from a person or a script."""

from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from playhead.cli.commands.approvals import CallId
from playhead.cli.commands.send import tell
from playhead.cli.shared.options import LogFile, RunId
from playhead.events.event import Json
from playhead.events.kinds.tool_calls import CallAnswered
from playhead.service.decider import this_process

ANY_JSON: TypeAdapter[Json] = TypeAdapter(Json)


def complete(
    run: RunId,
    call: CallId,
    result: Annotated[
        str, typer.Argument(metavar="RESULT", help="As JSON; anything else is taken as text.")
    ],
    log: LogFile = None,
) -> int:
    """Give the answer that a deferred call waits for.

    The model reads it as the call's result.
    """
    try:
        value = ANY_JSON.validate_json(result)
    except ValidationError:
        value = result
    answer = CallAnswered(call=call, result=value, by=this_process())
    return tell(log, run, lambda _, __: answer)


def fail(
    run: RunId,
    call: CallId,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="What went wrong.")],
    hint: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the model can do about it.")
    ] = None,
    log: LogFile = None,
) -> int:
    """Say that what a deferred call began has failed."""
    answer = CallAnswered(call=call, error=message, hint=hint, by=this_process())
    return tell(log, run, lambda _, __: answer)
