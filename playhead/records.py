"""The records of a log, and every event that a log can hold.

    from playhead.records import Record, ToolRequested

    for record in run.events():
        if isinstance(record.event, ToolRequested):
            print(record.seq, record.event.tool, record.event.arguments)

An event is data: a frozen Pydantic model, and `event.kind` is its name in the log.
"""

from playhead.events.codec import UnknownEvent
from playhead.events.event import Block, Event, Json
from playhead.events.kinds.approvals import (
    ApprovalDecided,
    ApprovalRequested,
    ApprovalRuleAsked,
    Decider,
    FunctionAsked,
    InstructionsAsked,
    LoopDetected,
    OutputRuleAsked,
    RouterAsked,
    RuleAnswered,
    RuleAsked,
    StrategyAsked,
)
from playhead.events.kinds.child_runs import ChildFinished, ChildStarted, Spending
from playhead.events.kinds.context import ContextCompressed, ContextFilled, Covered
from playhead.events.kinds.evaluations import (
    EvaluationEnded,
    EvaluationStarted,
    EvaluatorSpec,
    RunJudged,
    Score,
    TrialEnded,
    Variant,
)
from playhead.events.kinds.facts import (
    AnswerReached,
    ExtractionEnded,
    FactLearned,
    FactRetracted,
    KnownFact,
    LearningsPromoted,
    RecordRef,
)
from playhead.events.kinds.forks import ForkChecked, ForkCheckRequested, GivenResult, RunForked
from playhead.events.kinds.guardrails import GuardrailAsked, GuardrailDecided
from playhead.events.kinds.logs import LossAccepted, MovedRun, RunsMoved
from playhead.events.kinds.memory import (
    Embedded,
    EmbedRequested,
    MemoryForgotten,
    MemoryRecalled,
    MemoryStored,
    NamespaceForgotten,
    Recalled,
    RecallRequested,
)
from playhead.events.kinds.model_calls import (
    BudgetNeared,
    ExtractionRequested,
    ModelAnswered,
    ModelCall,
    ModelFailed,
    ModelRequested,
    SummaryRequested,
)
from playhead.events.kinds.notices import NoticeSent
from playhead.events.kinds.plans import PlanProposed, PlanRevised, PlanStep
from playhead.events.kinds.runs import (
    CancelRequested,
    LimitReached,
    MessageReceived,
    RunCancelled,
    RunFailed,
    RunFailing,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StrategyChosen,
    TimeReached,
)
from playhead.events.kinds.schedules import (
    FiringsMissed,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleSet,
)
from playhead.events.kinds.steps import OutputRejected, StepFailed, StepFinished, StepStarted
from playhead.events.kinds.tool_calls import (
    AttemptStarted,
    CallAnswered,
    MemoryToolStarted,
    ToolDeferred,
    ToolFailed,
    ToolInputRequired,
    ToolOutcomeUnknown,
    ToolPinned,
    ToolRefused,
    ToolRequested,
    ToolResolved,
    ToolStarted,
    ToolSucceeded,
)
from playhead.events.kinds.waits import AnswerAwaited, OutageWaitStarted, WaitStarted
from playhead.events.record import Actor, Origin, Record
from playhead.events.spec.agent import AgentSpec, ToolSpec

__all__ = [
    "Actor",
    "AgentSpec",
    "AnswerAwaited",
    "AnswerReached",
    "ApprovalDecided",
    "ApprovalRequested",
    "ApprovalRuleAsked",
    "AttemptStarted",
    "Block",
    "BudgetNeared",
    "CallAnswered",
    "CancelRequested",
    "ChildFinished",
    "ChildStarted",
    "ContextCompressed",
    "ContextFilled",
    "Covered",
    "Decider",
    "EmbedRequested",
    "Embedded",
    "EvaluationEnded",
    "EvaluationStarted",
    "EvaluatorSpec",
    "Event",
    "ExtractionEnded",
    "ExtractionRequested",
    "FactLearned",
    "FactRetracted",
    "FiringsMissed",
    "ForkCheckRequested",
    "ForkChecked",
    "FunctionAsked",
    "GivenResult",
    "GuardrailAsked",
    "GuardrailDecided",
    "InstructionsAsked",
    "Json",
    "KnownFact",
    "LearningsPromoted",
    "LimitReached",
    "LoopDetected",
    "LossAccepted",
    "MemoryForgotten",
    "MemoryRecalled",
    "MemoryStored",
    "MemoryToolStarted",
    "MessageReceived",
    "ModelAnswered",
    "ModelCall",
    "ModelFailed",
    "ModelRequested",
    "MovedRun",
    "NamespaceForgotten",
    "NoticeSent",
    "Origin",
    "OutageWaitStarted",
    "OutputRejected",
    "OutputRuleAsked",
    "PlanProposed",
    "PlanRevised",
    "PlanStep",
    "RecallRequested",
    "Recalled",
    "Record",
    "RecordRef",
    "RouterAsked",
    "RuleAnswered",
    "RuleAsked",
    "RunCancelled",
    "RunFailed",
    "RunFailing",
    "RunFinished",
    "RunForked",
    "RunJudged",
    "RunPaused",
    "RunResumed",
    "RunStarted",
    "RunsMoved",
    "ScheduleCancelled",
    "ScheduleFired",
    "ScheduleSet",
    "Score",
    "Spending",
    "StepFailed",
    "StepFinished",
    "StepStarted",
    "StrategyAsked",
    "StrategyChosen",
    "SummaryRequested",
    "TimeReached",
    "ToolDeferred",
    "ToolFailed",
    "ToolInputRequired",
    "ToolOutcomeUnknown",
    "ToolPinned",
    "ToolRefused",
    "ToolRequested",
    "ToolResolved",
    "ToolSpec",
    "ToolStarted",
    "ToolSucceeded",
    "TrialEnded",
    "UnknownEvent",
    "Variant",
    "WaitStarted",
]
