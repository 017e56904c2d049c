"""Alerts as they begin and end: after each run, over the last runs of its agent.

    Runtime(..., telemetry=Telemetry(alerts=Alerts(tell=send_mail)))

Rules are data (`AlertRule`). A line goes to the program's log when an alert begins and when it is
over, and `tell` gets the same, on a thread of its own so that it may take its time.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from playhead.events.log.contract import Reader
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.indicators import BASELINE, Indicator, indicators
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.telemetry.live_metrics import read_run_metrics

program_log = ProgramLogger("playhead.telemetry.alerts")

NEWEST = frozenset({"cost_ratio"})
"""Figures that the run that has just ended is judged by alone."""


JUDGED = "judged_pass_rate"


class Alert(NamedTuple):
    """A figure that has begun or ceased to be an alert."""

    agent: str
    indicator: Indicator
    run: str
    """The run at whose end it was seen."""
    firing: bool
    """False: it is over."""


@dataclass(frozen=True)
class Alerts:
    """Which rules are watched, over how many runs, and what is called when one fires."""

    tell: Callable[[Alert], None] | None = None
    rules: Sequence[AlertRule] = ALERT_RULES
    window: int = 100
    """The last runs of the agent that have ended."""


class AlertMonitor:
    """Judges each run when it ends. A listener of LiveMetrics; `close` it."""

    def __init__(self, alerts: Alerts, log: Reader) -> None:
        self._alerts = alerts
        self._ended: dict[str, deque[RunMetrics]] = {}
        self._firing: set[tuple[str, str]] = set()
        self._told = ThreadPoolExecutor(1, "playhead-alerts")
        self._telling: int | None = None
        """The thread that is in `tell`."""
        for metrics in read_run_metrics(log).runs:
            if metrics.ended:
                self._of(metrics.agent).append(metrics)

    def record(self, metrics: RunMetrics, record: Record) -> None:
        """Single records change no alert."""

    def folded(self, metrics: RunMetrics) -> None:
        """Nor do single turns."""

    def ended(self, metrics: RunMetrics) -> None:
        """Judge the agent's last runs."""
        known = self._of(metrics.agent)
        known.append(metrics)
        window = list(known)[-self._alerts.window :]
        judged = {f.name: f for f in indicators(window, (), self._alerts.rules, metrics.agent)}
        before = list(known)[:-1]
        alone = indicators([metrics], before, self._alerts.rules, metrics.agent)
        judged |= {f.name: f for f in alone if f.name in NEWEST}
        for indicator in judged.values():
            self._judge(metrics, indicator)

    def judged(self, agent: str, run: str, *, passed: bool) -> None:
        """Evaluators have judged a run, after its end."""
        window = list(self._of(agent))[-self._alerts.window :]
        for metrics in window:
            if metrics.run == run:
                metrics.judged = passed and metrics.judged is not False
                figures = indicators(window, (), self._alerts.rules, agent)
                self._judge(metrics, next(f for f in figures if f.name == JUDGED))

    def _judge(self, metrics: RunMetrics, indicator: Indicator) -> None:
        key = (metrics.agent, indicator.name)
        if indicator.firing == (key in self._firing) or indicator.level == "unknown":
            return
        (self._firing.add if indicator.firing else self._firing.discard)(key)
        alert = Alert(metrics.agent, indicator, metrics.run, indicator.firing)
        say = program_log.warning if alert.firing else program_log.info
        say(
            "alert.firing" if alert.firing else "alert.over",
            agent=alert.agent, run=alert.run, indicator=indicator.name, value=indicator.value,
            target=indicator.target, alarm=indicator.alarm, samples=indicator.samples,
        )  # fmt: skip
        if self._alerts.tell is not None:
            self._told.submit(self._tell, alert)

    def _tell(self, alert: Alert) -> None:
        assert self._alerts.tell is not None
        self._telling = threading.get_ident()
        try:
            self._alerts.tell(alert)
        except BaseException:  # whatever a callback of the program's raises
            program_log.exception("alert.untold", indicator=alert.indicator.name)
        finally:
            self._telling = None

    def _of(self, agent: str) -> deque[RunMetrics]:
        most = max(self._alerts.window, BASELINE + 1)
        return self._ended.setdefault(agent, deque(maxlen=most))

    def close(self) -> None:
        """Wait until every alert was delivered; not where one is being delivered, by `tell`."""
        self._told.shutdown(wait=threading.get_ident() != self._telling)
