"""A skill: a folder of files, read once for their hashes, and again when the model asks for them.

What is read later must still have the hash that it had when the agent was defined, so a model never
reads a version of a skill other than the one that its run records.
"""

import os
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Annotated

from pydantic import Field

from playhead.events.errors import ToolError, UsageError
from playhead.events.spec.skills import SkillSpec
from playhead.tools.builtin.confined_folder import ConfinedFolder
from playhead.tools.skills.front_matter import read_front_matter
from playhead.tools.tool import AnyTool, canonical, tool

FILES, BYTES = 1000, 20_000_000
"""The most files of a skill, and bytes over all of them."""

PART = 20_000
"""Characters in one answer of read_skill_file."""

HOW = (
    "Call load_skill with its name before you do what a skill describes, and follow what it says. "
    "read_skill_file reads the files that it names."
)


class Skill:
    """A folder with a SKILL.md, or a file of instructions such as AGENTS.md."""

    def __init__(self, place: str | os.PathLike[str]) -> None:
        """Read it. Raises UsageError for one that the specification does not allow."""
        self.path = Path(place).resolve()
        self.refused: str | None = None
        """Why it may not be used until a person approves it."""
        if self.path.is_dir():
            self.files = dict(_hashes(self.path))
            if "SKILL.md" not in self.files:
                msg = f"skill {self.path.name}: there is no SKILL.md in {self.path}"
                raise UsageError(msg)
            text = _text_of((self.path / "SKILL.md").read_bytes(), "SKILL.md")
            matter = read_front_matter(text, self.path.name)
            self.body = matter.body
            self.spec = SkillSpec(
                name=matter.name, description=matter.description, definition=self._definition(),
                license=matter.license, compatibility=matter.compatibility,
                metadata=matter.metadata, allowed_tools=matter.allowed_tools,
            )  # fmt: skip
        elif self.path.is_file():
            data = self.path.read_bytes()
            self.files = {self.path.name: sha256(data).hexdigest()}
            self.body = _text_of(data, self.path.name).strip()
            self.spec = SkillSpec(
                name=self.path.name, kind="instructions", definition=self._definition()
            )
        else:
            msg = f"skills: there is no folder or file {self.path}"
            raise UsageError(msg)

    def _definition(self) -> str:
        return sha256(
            canonical([[path, digest] for path, digest in sorted(self.files.items())])
        ).hexdigest()

    def read(self, path: str) -> str:
        """The text of one of its files, as it was when the skill was read. Raises ToolError."""
        if path not in self.files:
            names = ", ".join(list(self.files)[:50])
            msg = f"skill {self.spec.name} has no file {path[:200]!r}"
            raise ToolError(msg, hint=f"Its files are: {names}")
        with ConfinedFolder(self.path, private=True).open_file(path) as file:
            data = b"".join(iter(lambda: os.read(file, 1 << 16), b""))
        if sha256(data).hexdigest() != self.files[path]:
            msg = f"{path} of skill {self.spec.name} was changed after the agent was defined"
            raise ToolError(msg, hint="Go on without it: a person must look at the change.")
        try:
            return _text_of(data, path)
        except UsageError as error:
            raise ToolError(str(error)) from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Skill):
            return False
        return (self.path, self.spec) == (other.path, other.spec)

    def __hash__(self) -> int:
        return hash((self.path, self.spec.definition))


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    """(path, SHA-256) of each file, sorted; links are refused."""
    size = count = 0
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder).as_posix()
        if path.is_symlink():
            msg = f"skill {folder.name}: {where} is a link: put the file itself there"
            raise UsageError(msg)
        if not path.is_file():
            continue
        size, count = size + path.stat().st_size, count + 1
        if count > FILES or size > BYTES:
            msg = f"skill {folder.name}: it has more than {FILES} files or {BYTES} bytes"
            raise UsageError(msg)
        yield where, sha256(path.read_bytes()).hexdigest()


def _text_of(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        msg = f"{path} is not text"
        raise UsageError(msg) from error


def skills_prompt(skills: Sequence[Skill]) -> str:
    """What the system prompt says about them: instructions whole, of skills what they are for."""
    parts = [
        f'<instructions file="{escape(skill.spec.name)}">\n{skill.body}\n</instructions>'
        for skill in skills
        if skill.spec.kind == "instructions"
    ]
    listed = [
        f"<skill>\n<name>{skill.spec.name}</name>\n"
        f"<description>{escape(skill.spec.description, quote=False)}</description>\n</skill>"
        for skill in skills
        if skill.spec.kind == "skill"
    ]
    if listed:
        parts.append("\n".join(["<available_skills>", *listed, "</available_skills>", HOW]))
    return "\n\n".join(parts)


def skill_tools(skills: Sequence[Skill]) -> list[AnyTool]:
    """`load_skill` and `read_skill_file`, if there are skills to load."""
    known = {skill.spec.name: skill for skill in skills if skill.spec.kind == "skill"}
    if not known:
        return []

    def found(name: str) -> Skill:
        skill = known.get(name)
        if skill is None:
            msg = f"there is no skill {name[:200]!r}"
            raise ToolError(msg, hint=f"There are: {', '.join(known)}")
        if skill.refused is not None:
            msg = f"skill {name} may not be used: {skill.refused}"
            raise ToolError(msg, hint="Go on without it.")
        return skill

    def load_skill(name: str) -> str:
        """Load the instructions of a skill, by its name in the list of available skills.

        Use it before you start on work that the skill describes, and then follow what it says.

        Args:
            name: The skill's name, such as "refunds".

        Returns:
            The instructions, with the skill's version and the files that read_skill_file can read.
        """
        skill = found(name)
        skill.read("SKILL.md")  # it must be what it was
        files = [path for path in skill.files if path != "SKILL.md"]
        listed = f"\nFiles: {', '.join(files)}" if files else ""
        head = f'<skill name="{name}" version="{skill.spec.definition}">'
        return f"{head}\n{skill.body}\n</skill>{listed}"

    def read_skill_file(skill: str, path: str, offset: Annotated[int, Field(ge=0)] = 0) -> str:
        """Read one text file of a skill, such as a reference that its instructions name.

        Use it after load_skill. A long file is given in parts.

        Args:
            skill: The skill's name.
            path: The file, relative to the skill's folder, such as "references/limits.md".
            offset: Where to begin, in characters: what the part before said.

        Returns:
            The text; the end of a part says the offset of the next.
        """
        text = found(skill).read(path)
        part, end = text[offset : offset + PART], offset + PART
        return part if end >= len(text) else f"{part}\n[more: offset={end} of {len(text)}]"

    return [tool(load_skill, effect="read"), tool(read_skill_file, effect="read")]
