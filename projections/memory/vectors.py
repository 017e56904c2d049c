"""The vectors of one namespace by one embedder as a matrix, and the rows nearest to a query.

Exact: every vector is compared, in one matrix product. Needs numpy; imported only where there are
vectors to compare.
"""

import sqlite3

import numpy as np
from numpy.typing import NDArray

NEW = (
    "SELECT number, position, vector FROM recall_vectors"
    " WHERE namespace = ? AND embedder = ? AND number > ? ORDER BY number"
)
GONE = "SELECT number, position FROM recall_gone WHERE namespace = ? AND number > ?"

SAME = 1e-6
"""Cosines nearer to each other than this are one: where a row stands may change the last bits."""


class Vectors:
    """What a view has of them, kept as float32 and brought up to date by what is new."""

    def __init__(self, namespace: str, embedder: str, dimensions: int) -> None:
        self._of = (namespace, embedder)
        self._dimensions = dimensions
        self._matrix = np.empty((0, dimensions), np.float32)
        self._positions = np.empty(0, np.int64)
        self._rows: int = 0
        self._last: int = 0
        self._last_gone: int = 0

    def __len__(self) -> int:
        return self._rows

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Take in what the view has got since, and leave out what was forgotten."""
        namespace, embedder = self._of
        gone: list[tuple[int, int]]
        new: list[tuple[int, int, bytes]]
        gone = connection.execute(GONE, [namespace, self._last_gone]).fetchall()
        new = connection.execute(NEW, [namespace, embedder, self._last]).fetchall()
        if gone:
            self._last_gone = max(number for number, _ in gone)
            self._drop([position for _, position in gone])
        if new:
            self._last = new[-1][0]
            joined = np.frombuffer(b"".join(vector for _, _, vector in new), "<f2")
            self._add([position for _, position, _ in new], joined)

    def _drop(self, positions: list[int]) -> None:
        stays = ~np.isin(self._positions[: self._rows], positions)
        rows = int(stays.sum())
        self._matrix[:rows] = self._matrix[: self._rows][stays]
        self._positions[:rows] = self._positions[: self._rows][stays]
        self._rows = rows

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

    def nearest(
        self, query: bytes, depth: int, among: list[int] | None = None
    ) -> list[tuple[int, float]]:
        """The positions nearest to a query (float16, as recorded) and their cosines, best first.

        `among`: search only these positions. A cosine of 0 or less is not a match.
        """
        asked = np.frombuffer(query, "<f2").astype(np.float32)
        positions = self._positions[: self._rows]
        cosines = self._matrix[: self._rows] @ asked
        if among is not None:
            cosines = np.where(np.isin(positions, among), cosines, -1)
        least = 0.0
        if self._rows > depth:
            least = max(least, float(np.partition(cosines, -depth)[-depth]) - SAME)
        (rows,) = np.nonzero((cosines >= least) & (cosines > 0))
        found = [(int(positions[row]), round(float(cosines[row]), 5)) for row in rows]
        return sorted(found, key=lambda each: (-each[1], -each[0]))[:depth]
