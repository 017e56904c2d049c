"""Packages whose public names are imported on first use.

This makes `import playhead` and its pytest plugin cheap: with Playhead installed, pytest loads the
plugin in every run.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any


def lazy_names(
    package: str, load: Callable[[], ModuleType]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package with the names of the module's `__all__`."""

    def find(name: str) -> Any:
        if not name.startswith("__") or name in ("__all__", "__version__"):
            public = load()
            if name == "__all__" or name in public.__all__:
                return getattr(public, name)
        msg = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(msg)

    return find, lambda: sorted(load().__all__)
