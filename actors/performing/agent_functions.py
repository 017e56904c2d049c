"""Calls the agent's own functions: its rules, strategy and router; and answers fork checks."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from playhead.actors.performing.services import Rule, Services, Work
from playhead.actors.performing.tool_attempts import same_tool
from playhead.events.event import Json
from playhead.events.kinds.approvals import (
    ApprovalRuleAsked,
    FunctionAsked,
    InstructionsAsked,
    OutputRuleAsked,
    RouterAsked,
    RuleAnswered,
    RuleAsked,
    StrategyAsked,
)
from playhead.events.kinds.forks import ForkChecked, ForkCheckRequested
from playhead.events.kinds.guardrails import GuardrailAsked
from playhead.projections.state.run_state import RunState
from playhead.projections.state.step_state import ToolCall
from playhead.tools.calls.approval import ask_approval
from playhead.tools.calls.guardrails import ask_guardrail
from playhead.tools.calls.user_functions import ask_function, ask_output, ask_text
from playhead.tools.execution.workers import Workers


def nothing_else(_: RunState, __: object) -> None:
    """For intents that carry everything that is needed."""


async def perform_strategy(services: Services, work: Work[StrategyAsked, None]) -> RuleAnswered:
    """Ask which strategy to use for the goal."""
    tools: list[Json] = [*work.event.tools]
    return await _perform(services, work.run, "strategy", ask_function, work.event.goal, tools)


async def perform_function(services: Services, work: Work[FunctionAsked, None]) -> RuleAnswered:
    """Call the function that implements the agent."""
    return await _perform(services, work.run, "function", ask_function, work.event.goal)


async def perform_router(services: Services, work: Work[RouterAsked, None]) -> RuleAnswered:
    """Ask for the type of a task."""
    return await _perform(services, work.run, "router", _router, work.event.task)


async def perform_instructions(
    services: Services, work: Work[InstructionsAsked, None]
) -> RuleAnswered:
    """Ask for the run's instructions."""
    function = services.rule(work.run, "instructions")
    if function is None:
        return RuleAnswered(error="the agent has no instructions function any more")
    return await ask_text("instructions", function, work.about, services.workers)


async def perform_output_rule(
    services: Services, work: Work[OutputRuleAsked, None]
) -> RuleAnswered:
    """Ask whether the output type accepts an answer."""
    return await _perform(services, work.run, "output", _output, work.event.output)


Ask: TypeAlias = Callable[
    [str, Callable[..., Any], tuple[Json, ...], Workers], Awaitable[RuleAnswered]
]
"""(name, function, arguments, where it runs) -> its answer."""


async def _perform(
    services: Services, run: str, rule: Rule, ask: Ask, *about: Json
) -> RuleAnswered:
    function = services.rule(run, rule)
    if function is None:
        return RuleAnswered(error=f"the agent has no {rule} function any more")
    return await ask(rule, function, about, services.workers)


def _router(
    _: str, function: Callable[..., Any], about: tuple[Json, ...], workers: Workers
) -> Awaitable[RuleAnswered]:
    return ask_text("router", function, about[0], workers)


def _output(
    _: str, function: Callable[..., Any], about: tuple[Json, ...], workers: Workers
) -> Awaitable[RuleAnswered]:
    return ask_output(function, about[0], workers)


async def perform_approval_rule(
    services: Services, work: Work[ApprovalRuleAsked, ToolCall]
) -> RuleAnswered:
    """Ask the tool's own function whether a person must approve."""
    tool = same_tool(services, work.job, work.run)
    if tool is None:
        return RuleAnswered(error="the tool was changed or taken away")
    return await ask_approval(tool, work.job.arguments, services.workers)


def guarded_text(state: RunState, asked: GuardrailAsked) -> str:
    """The text that a guardrail judges."""
    return state.guarded[asked.about].text


async def perform_guardrail(services: Services, work: Work[GuardrailAsked, str]) -> RuleAnswered:
    """Ask a guardrail's function for its verdict."""
    name = work.event.guardrail
    function = services.guardrail(work.run, name)
    if function is None:
        return RuleAnswered(error="the agent no longer has its function")
    return await ask_guardrail(name, function, work.job, services.workers)


def rule_cut_off(_: RuleAsked, __: object, reason: str) -> RuleAnswered:
    """An interrupted question is asked again."""
    return RuleAnswered(error=reason)


def rule_broken(_: str, message: str) -> RuleAnswered:
    """The function gave no answer."""
    return RuleAnswered(error=message)


async def perform_fork_check(_: Services, __: Work[ForkCheckRequested, None]) -> ForkChecked:
    """The parent's records were searched before this is performed: they have no such call."""
    return ForkChecked(recorded=False)


def fork_check_cut_off(_: ForkCheckRequested, __: None, reason: str) -> ForkChecked:
    """An interrupted check is made again."""
    return ForkChecked(error=reason)


def fork_check_broken(_: str, message: str) -> ForkChecked:
    """If the check fails, a person is asked."""
    return ForkChecked(error=message)
