"""How the help reads: commands under what people want of them, sorted, and never an empty line."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup


class Grouped(TyperGroup):
    """A group of commands that shows its help when it is called without arguments."""

    def parse_args(self, ctx: Any, args: Sequence[str]) -> Any:
        """Nothing was asked: show what can be."""
        return super().parse_args(ctx, list(args) or ["--help"])

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section for each `rich_help_panel`, in the order in which they were given."""
        sections: dict[str, list[tuple[str, Any]]] = {}
        for name, command in self.commands.items():
            title = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(title, []).append((name, command))
        width = max(map(len, self.commands))
        for title, commands in sections.items():
            with formatter.section(title):
                formatter.write_dl([
                    (name.ljust(width), command.get_short_help_str(100))
                    for name, command in sorted(commands, key=lambda pair: pair[0])
                ])  # fmt: skip
