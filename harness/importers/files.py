"""Open the file to import, zipped or not, and hand out its lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, cast

from harness.errors import UsageError
from harness.importers.draft import Bad

HEAD_BYTES = 256 << 10
LONGEST_LINE = 256 << 20
_CHUNK = 8 << 10
_GZIP = b"\x1f\x8b"
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


def open_file(path: Path) -> IO[bytes]:
    """Open *path* for reading, unzipped if it is gzip. Raises UsageError if it cannot be."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    with closing_on_error(file):
        if file.read(len(_GZIP)) == _GZIP:
            file.close()
            return cast("IO[bytes]", gzip.open(path, "rb"))
        file.seek(0)
    return file


class closing_on_error:  # noqa: N801 - a context manager is called like a function
    """Close a file if the block around it fails."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._file.close()


def head(path: Path) -> bytes:
    """Read how *path* begins; at least its first line that is not empty, if that is not absurdly long."""
    found = b""
    with reading(path), closing(open_file(path)) as file:
        while len(found) < HEAD_BYTES or (b"\n" not in found.lstrip() and len(found) < LONGEST_LINE):
            try:
                more = file.read(_CHUNK)
            except _BROKEN:
                if not found:
                    raise
                break  # what comes before the broken place may do
            if not more:
                break
            found += more
    return found


def whole(path: Path) -> bytes:
    """Read all of *path*. Raises UsageError if it is gzip and broken."""
    with reading(path), closing(open_file(path)) as file:
        return file.read()


class reading:  # noqa: N801 - a context manager is called like a function
    """Turn what goes wrong while *path* is read into a UsageError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (*_BROKEN, OSError)):
            raise UsageError(f"cannot read {str(self._path)!r}: {error}") from error


def lines(path: Path) -> Iterator[tuple[int, bytes] | Bad]:
    """Yield the lines of *path* that are not empty, with their numbers from 1; a broken end as what it is."""
    number = 0
    with closing(open_file(path)) as file:
        while True:
            number += 1
            try:
                line = file.readline(LONGEST_LINE)
            except _BROKEN as error:
                yield Bad(line=number, why=f"the compressed file is broken here: {error}")
                return
            except OSError as error:
                raise UsageError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
            if not line:
                return
            if line.strip():
                yield number, line
