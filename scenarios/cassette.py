"""Keep what models, tools, code and people answered in a run, so that it can be rehearsed.

A cassette is derived from recorded runs: recording is promoting. It holds *exchanges*, each one call and its reply,
in the order in which they were asked. Its file is JSON lines, made to be read in a review.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness import semconv
from harness.errors import UsageError
from harness.freezing import FROZEN

from . import cassette_lines, cassette_reader, cleaning, normalising, promoting
from .alike import alike
from .exchanges import CHOSEN_BY_OUTSIDE, Exchange, Failure, Header

if TYPE_CHECKING:
    from harness.model import Run

__all__ = ["CHOSEN_BY_OUTSIDE", "SUFFIX", "Cassette", "Exchange", "Failure", "Header", "from_run", "from_runs", "read"]

SUFFIX = ".cassette.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cassette:
    """Recorded exchanges, in the order in which they were asked."""

    header: Header = field(default_factory=Header)
    exchanges: tuple[Exchange, ...] = ()

    def write(self, path: Path, *, way: str | None = None) -> bool:
        """Write the file at *path*, whole or not at all, and say whether it changed.

        A file that holds the same exchanges already is left untouched, whichever version of the harness or the
        framework it was made with; and where *way* says how requests are matched, one that is the same to a replay.
        Raises UsageError if it cannot be written.
        """
        lines = cassette_lines.dump(self.header, self.exchanges)
        try:
            if path.is_file():
                there = path.read_text(encoding="utf-8", errors="replace")
                if _same(there, lines) or (way is not None and _will_do(there, self, way)):
                    return False
            _replace(path, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            msg = f"cannot write the cassette {str(path)!r}: {error.strerror or error}"
            raise UsageError(msg, hint="Name a file in a folder that exists and is yours.") from error
        return True


def read(path: Path) -> Cassette:
    """Read the cassette at *path*. Raises UsageError that names the line if it is not one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        hint = "Record it: `harness run --record once`, or `harness trace --record FILE your_app.py`."
        raise UsageError(f"no cassette at {str(path)!r}", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the cassette {str(path)!r}: {error}") from error
    header, exchanges = cassette_reader.load(text, str(path))
    return Cassette(header=header, exchanges=exchanges)


def from_run(
    run: Run, *, note: str = "", normalise: Sequence[str] | None = None, redact: Callable[[str], str] | None = None
) -> Cassette:
    """Derive the cassette of one run; see :func:`from_runs`."""
    return from_runs([run], note=note, normalise=normalise, redact=redact)


def from_runs(
    runs: Iterable[Run],
    *,
    note: str = "",
    normalise: Sequence[str] | None = None,
    redact: Callable[[str], str] | None = None,
) -> Cassette:
    """Derive a cassette from what *runs* recorded, oldest run first. Calls nobody answered are left out.

    *normalise* names the volatile values that shall not count in a replay (default: ``HARNESS_NORMALISE``). *redact*
    takes secrets out of a text once more, though the store holds none it knew of (default: as in this project and
    environment). Raises UsageError for a run whose contents were not kept.
    """
    ordered = sorted(runs, key=lambda run: (run.summary.started_ns, run.run_id))
    for run in ordered:
        _whole(run)
    found = [exchange for run in ordered for exchange in promoting.of_run(run)]
    exchanges = cleaning.numbered(cleaning.redacted(found, redact))
    rules = normalising.from_environment() if normalise is None else normalise
    frameworks = [run.summary.framework for run in ordered if run.summary.framework]
    header = Header(
        framework=frameworks[0] if frameworks else None,
        models=models_of(exchanges),
        note=note,
        normalise=tuple(rules or ()),
        freeze=tuple(dict.fromkeys(name for run in ordered for name in _frozen(run))),
    )
    return Cassette(header=header, exchanges=exchanges)


def _whole(run: Run) -> None:
    capture = next((found for span in run.spans if (found := span.attributes.get(semconv.HARNESS_CAPTURE))), None)
    if capture:
        msg = f"run {run.run_id!r} has no contents to keep: it was recorded with capture = {str(capture)!r}"
        raise UsageError(msg, hint="Record it again with capture = 'full' (--capture full, HARNESS_CAPTURE=full).")


def _frozen(run: Run) -> Iterator[str]:
    named = next((found for span in run.spans if (found := span.attributes.get(semconv.HARNESS_FREEZE))), ())
    return (name for name in FROZEN if isinstance(named, list) and name in named)


def models_of(exchanges: Iterable[Exchange]) -> tuple[str, ...]:
    """Name the models that were asked, sorted."""
    return tuple(sorted({str(model) for found in exchanges if (model := found.request.get("model"))}))


def _same(text: str, lines: Sequence[str]) -> bool:
    """Compare files but for the versions in the header: an upgrade alone does not touch a cassette."""
    there = text.split("\n")
    if there[1:] != [*lines[1:], ""]:
        return False
    return bool(cassette_lines.identity(there[0]) == cassette_lines.identity(lines[0]))


def _will_do(text: str, made: Cassette, way: str) -> bool:
    """Say whether the file that is there says the same as *made* to a replay."""
    if cassette_lines.identity(text.partition("\n")[0]) != cassette_lines.identity(_head(made)):
        return False
    try:
        _, there = cassette_reader.load(text, "")
    except UsageError:
        return False
    return alike(there, made.exchanges, way=way, normalise=made.header.normalise)


def _head(made: Cassette) -> str:
    return cassette_lines.dump(made.header, ())[0]


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        Path(name).chmod(mode & 0o777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
