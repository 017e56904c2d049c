"""Everything that `from playhead.evals import ...` gives."""

from playhead.evals.case import Case, Trial
from playhead.evals.dataset import Dataset
from playhead.evals.evaluation import evaluate
from playhead.evals.evaluators import (
    Called,
    Contains,
    Evaluator,
    Exact,
    Function,
    JsonSchema,
    Judge,
    MaxCost,
    MaxSeconds,
    MaxSteps,
    Numeric,
    Regex,
)
from playhead.evals.online import Sampled
from playhead.evals.regression import assert_passes
from playhead.events.kinds.evaluations import Score, TrialEnded
from playhead.projections.evaluation.report import Comparison, Report, VariantReport
from playhead.projections.evaluation.statistics import Interval

__all__ = [
    "Called",
    "Case",
    "Comparison",
    "Contains",
    "Dataset",
    "Evaluator",
    "Exact",
    "Function",
    "Interval",
    "JsonSchema",
    "Judge",
    "MaxCost",
    "MaxSeconds",
    "MaxSteps",
    "Numeric",
    "Regex",
    "Report",
    "Sampled",
    "Score",
    "Trial",
    "TrialEnded",
    "VariantReport",
    "assert_passes",
    "evaluate",
]
