"""Many rows of different heights: where each begins, and which one a line falls into.

A Fenwick tree of heights, so that correcting one row's height or finding the row at a line takes
O(log n): heights are first estimated, and made exact when a row comes into view.
"""

from __future__ import annotations

from collections.abc import Iterable


class Heights:
    """The heights of rows, in lines; every height is at least 1."""

    __slots__ = ("_heights", "_top_bit", "_tree", "total")

    def __init__(self, heights: Iterable[int]) -> None:
        self._heights = [max(1, height) for height in heights]
        tree = [0, *self._heights]
        for index in range(1, len(tree)):
            above = index + (index & -index)
            if above < len(tree):
                tree[above] += tree[index]
        self._tree = tree
        self._top_bit = 1 << max(0, len(self._heights).bit_length() - 1)
        self.total = sum(self._heights)

    def __len__(self) -> int:
        return len(self._heights)

    def __getitem__(self, row: int) -> int:
        return self._heights[row]

    def __setitem__(self, row: int, height: int) -> None:
        change = max(1, height) - self._heights[row]
        self._heights[row] += change
        self.total += change
        index = row + 1
        while index < len(self._tree):
            self._tree[index] += change
            index += index & -index

    def top(self, row: int) -> int:
        """Say on which line *row* begins; for the length, the line after the last."""
        line, index = 0, row
        while index > 0:
            line += self._tree[index]
            index -= index & -index
        return line

    def at(self, line: int) -> tuple[int, int]:
        """Find the row that covers *line*, and the line it begins on; past the end, the length and the total."""
        index, left, bit = 0, line, self._top_bit
        while bit:
            step = index + bit
            if step < len(self._tree) and self._tree[step] <= left:
                index = step
                left -= self._tree[step]
            bit >>= 1
        return index, line - left if index < len(self) else self.total


class Uniform:
    """As many rows as wanted, each one line high: the same questions, answered without a table."""

    __slots__ = ("total",)

    def __init__(self, rows: int) -> None:
        self.total = rows

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, row: int) -> int:
        return 1

    def __setitem__(self, row: int, height: int) -> None:
        """Keep the height: every row of this list is one line."""

    def top(self, row: int) -> int:
        """Say on which line *row* begins."""
        return row

    def at(self, line: int) -> tuple[int, int]:
        """Find the row that covers *line*, and the line it begins on."""
        row = min(line, self.total)
        return row, row
