"""The vectors of one namespace by one embedder as a matrix, and the rows nearest to a query.

Exact: every vector is compared, in one matrix product. Needs numpy; imported only where there are
vectors to compare.
"""

import sqlite3
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from playhead.projections.memory.filter import Visible

NEW = (
    "SELECT number, position, vector FROM recall_vectors"
    " WHERE space = ? AND embedder = ? AND number > ? ORDER BY number"
)

SAME = 1e-6
"""Cosines nearer to each other than this are one: where a row stands may change the last bits."""


class Vectors:
    """What a view has of them, kept as float32 and brought up to date by what is new.

    Those of what was forgotten stay: an earlier position can be asked.
    """

    def __init__(self, space: int, embedder: str, dimensions: int) -> None:
        self._of = (space, embedder)
        self._dimensions = dimensions
        self._matrix = np.empty((0, dimensions), np.float32)
        self._positions = np.empty(0, np.int64)
        self._rows: int = 0
        self._last: int = 0
        self._order = np.empty(0, np.intp)
        self._ordered = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self._rows

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Take in what the view has got since."""
        space, embedder = self._of
        new: list[tuple[int, int, bytes]]
        new = connection.execute(NEW, [space, embedder, self._last]).fetchall()
        if new:
            self._last = new[-1][0]
            joined = np.frombuffer(b"".join(vector for _, _, vector in new), "<f2")
            self._add([position for _, position, _ in new], joined)
            self._order = np.argsort(self._positions[: self._rows], kind="stable")
            self._ordered = self._positions[: self._rows][self._order]

    def _add(self, positions: list[int], joined: NDArray[np.float16]) -> None:
        rows = self._rows + len(positions)
        if rows > len(self._matrix):
            room = max(rows, 2 * self._rows)
            matrix, places = self._matrix[: self._rows], self._positions[: self._rows]
            self._matrix = np.empty((room, self._dimensions), np.float32)
            self._positions = np.empty(room, np.int64)
            self._matrix[: self._rows], self._positions[: self._rows] = matrix, places
        self._matrix[self._rows : rows] = joined.reshape(len(positions), self._dimensions)
        self._positions[self._rows : rows] = positions
        self._rows = rows

    def nearest(self, query: bytes, depth: int, seen: Visible) -> list[tuple[int, float]]:
        """The positions nearest to a query (float16, as recorded) and their cosines, best first.

        A cosine of 0 or less is not a match.
        """
        cosines = self._matrix[: self._rows] @ np.frombuffer(query, "<f2").astype(np.float32)
        if seen.among is not None:
            kept = self._rows_of(seen.among)
            cosines, all_ = np.full(self._rows, -1, np.float32), cosines
            cosines[kept] = all_[kept]
        elif seen.hidden:
            cosines[self._rows_of(seen.hidden)] = -1
        least = 0.0
        if self._rows > depth:
            least = max(least, float(np.partition(cosines, -depth)[-depth]) - SAME)
        (rows,) = np.nonzero((cosines >= least) & (cosines > 0))
        found = self._exact(query, rows).items()
        return sorted(found, key=lambda each: (-each[1], -each[0]))[:depth]

    def cosines(self, query: bytes, positions: Collection[int]) -> dict[int, float]:
        """The cosines of these positions; those without a vector are missing."""
        return self._exact(query, self._rows_of(positions))

    def _exact(self, query: bytes, rows: NDArray[np.intp]) -> dict[int, float]:
        """Summed row by row: the same wherever a row stands."""
        asked = np.frombuffer(query, "<f2").astype(np.float64)
        products = self._matrix[rows].astype(np.float64) * asked
        places = self._positions[rows]
        return {
            int(position): round(float(cosine), 5)
            for position, cosine in zip(places, products.sum(axis=1), strict=True)
        }

    def _rows_of(self, positions: Collection[int]) -> NDArray[np.intp]:
        wanted = np.fromiter(positions, np.int64, len(positions))
        if not self._rows:
            return np.empty(0, np.intp)
        places = np.minimum(np.searchsorted(self._ordered, wanted), self._rows - 1)
        rows: NDArray[np.intp] = self._order[places[self._ordered[places] == wanted]]
        return rows
