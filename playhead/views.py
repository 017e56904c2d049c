"""A run shown from its records: the timeline, and the plan as text or as Mermaid.

from playhead.logs import LogReader
from playhead.views import timeline

with LogReader("fx.db") as log:
    for entry in timeline(log.records(log.find("last"))):
        print(entry.seq, entry.heading, entry.text)
"""

from playhead.projections.history.timeline import TimelineEntry, timeline
from playhead.projections.plan.drawing import as_mermaid, as_text
from playhead.projections.plan.plan import Plan, plan_of

__all__ = ["Plan", "TimelineEntry", "as_mermaid", "as_text", "plan_of", "timeline"]
