"""Recognises the file names that belong to a log: its own, and those of the files beside it.

Uses the standard library only, because the supervisor of sandboxed calls imports it.
"""

import os


def is_beside(log: str, path: str) -> bool:
    """Whether `path` is a log, or would be one of the files beside it."""
    head, tail = os.path.split(log)
    folder, name = os.path.split(path)
    return folder == head and (name == tail or name.startswith((f"{tail}.", f"{tail}-")))
