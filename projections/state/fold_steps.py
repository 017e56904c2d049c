"""How steps and plans begin and end, and how their contexts are compressed."""

from playhead.events.event import Event
from playhead.events.kinds import approvals, context, facts, forks, plans, runs, steps
from playhead.events.record import Record
from playhead.projections.plan.plan import Plan
from playhead.projections.plan.prompt import first_words
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.head import render_head
from playhead.projections.state.recalled_memory import recalled_blocks
from playhead.projections.state.run_state import SILENT, FoldFunction, RunState
from playhead.projections.state.step_state import Step, Stop


def _step_started(state: RunState, record: Record, event: steps.StepStarted) -> None:
    if event.purpose == "plan":
        state.plan = state.plan or Plan(state.agent.plan.for_each_items)
        state.plan.asked()
    elif state.plan is not None:
        state.plan.started(event.step, event.attempt)
    step = state.steps[event.step] = _begin(state, record.seq, event)
    if event.task_type is not None or not state.agent.router:
        step.task_type = event.task_type or state.agent.task_type
    state.ready[event.step] = None


def _begin(state: RunState, seq: int, event: steps.StepStarted) -> Step:
    plan, started, past = state.plan, state.run_started, state.past
    content, history = started.content or (), started.history or ()
    ordered = bool(started.ordered) and event.task == started.goal
    if started.ordered and not ordered:  # the step's own task says what to do
        content = tuple(block for block in content if block.get("type") != "text")
    agent = state.agent_for(event.step, event.purpose)
    if plan is not None:
        content = (*content, *first_words(started.goal, state.agent, event, plan))
        past, history = (past, history) if event.purpose == "plan" else (None, ())
    context = Context(
        render_head(agent), event.task, past, content, recalled_blocks(state), history=history,
        ordered=ordered, run=state.run, seq=seq,
    )  # fmt: skip
    context.containers = state.containers
    for said in state.said if event.purpose not in SILENT else ():
        _hear(context, said)
    return Step(
        event.step, context, agent, event.task, event.purpose, event.limits, event.problem
    )  # fmt: skip


def _hear(context: Context, said: Record) -> None:
    match said.event:
        case runs.MessageReceived(text=text, content=content, ordered=ordered):
            context.user("" if ordered else text, content or (), said.seq)
        case forks.RunForked(messages=messages):
            for text in messages:
                context.user(text, seq=said.seq)
        case _:
            pass


def _step_finished(state: RunState, _: Record, event: steps.StepFinished) -> None:
    state.ready.pop(event.step, None)
    step, plan = state.steps[event.step], state.plan
    if plan is not None and step.purpose != "plan":
        told = event.output is not None or step.purpose == "tool"
        plan.finished(event.step, event.output if told else event.answer, event.answer)


def _step_failed(state: RunState, _: Record, event: steps.StepFailed) -> None:
    state.ready.pop(event.step, None)
    if state.plan is not None and state.steps[event.step].purpose != "plan":
        state.plan.failed_at(event)


def _plan_made(
    state: RunState, record: Record, event: plans.PlanProposed | plans.PlanRevised
) -> None:
    if state.plan is not None:
        state.plan.propose(record.seq, event.steps)


def _output_rejected(state: RunState, record: Record, event: steps.OutputRejected) -> None:
    step = state.steps[event.step]
    step.rejected += 1
    step.handed = None
    step.context.user(event.error, seq=record.seq)
    state.ready[step.id] = None


def _loop_detected(state: RunState, record: Record, event: approvals.LoopDetected) -> None:
    step = state.steps[event.step]
    step.loop_guard.told[event.pattern] = event.count
    if event.action == "warn":
        step.context.user(event.message, seq=record.seq)
    elif state.stop is None:
        state.stop = Stop("failed", "loop", event.message, cancels=False)


def _answer_reached(state: RunState, _: Record, event: facts.AnswerReached) -> None:
    state.answer = event


def _extraction_ended(state: RunState, *_: object) -> None:
    state.extracted = True


def _context_filled(state: RunState, _: Record, event: context.ContextFilled) -> None:
    step = state.steps[event.step]
    step.plan = step.context.plan(event.tokens, state.agent.memory)


def _context_compressed(state: RunState, record: Record, event: context.ContextCompressed) -> None:
    step = state.steps[event.step]
    step.context.compress(event, record.seq)
    step.plan = step.used = None
    state.ready[step.id] = None


STEPS: dict[type[Event], FoldFunction] = {
    steps.StepStarted: _step_started,
    steps.StepFinished: _step_finished,
    steps.StepFailed: _step_failed,
    plans.PlanProposed: _plan_made,
    plans.PlanRevised: _plan_made,
    steps.OutputRejected: _output_rejected,
    approvals.LoopDetected: _loop_detected,
    context.ContextFilled: _context_filled,
    facts.AnswerReached: _answer_reached,
    facts.ExtractionEnded: _extraction_ended,
    context.ContextCompressed: _context_compressed,
}
