"""How a deferred call ends: with its answer, or without one in time."""

from playhead.events.kinds.tool_calls import CallAnswered, ToolDeferred, ToolFailed, ToolSucceeded


def answered(answer: CallAnswered) -> ToolSucceeded | ToolFailed:
    """The outcome of a call that was answered, as if its tool had given it."""
    if answer.error is None:
        return ToolSucceeded(result=answer.result, duration_ms=0.0)
    return ToolFailed(error="answered_failed", message=answer.error, hint=answer.hint)


def unanswered(deferred: ToolDeferred) -> ToolSucceeded | ToolFailed:
    """The outcome of a deferred call whose time has passed."""
    if deferred.about == "time":
        return ToolSucceeded(result=deferred.if_expired or "The time has come.", duration_ms=0.0)
    hint = "What was begun may still go on outside. Continue without the answer."
    message = deferred.if_expired or f"no answer came within {deferred.expires or 0:g} s"
    return ToolFailed(
        error="no_answer", message=message, hint=hint if deferred.if_expired is None else None
    )
