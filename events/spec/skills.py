"""Skills as a run records them: which an agent had, and exactly which version of each."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data


class SkillSpec(Data):
    """An Agent Skill, or a file of instructions such as AGENTS.md."""

    name: str
    description: str = ""
    kind: Literal["skill", "instructions"] = "skill"
    """skill: the model loads it when it needs it. instructions: all of it is in the prompt."""
    definition: str
    """SHA-256 (hex) over the paths and contents of all its files."""
    license: str | None = None
    compatibility: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    allowed_tools: tuple[str, ...] = ()
    """What its author would pre-approve; it grants nothing here."""
