"""Take the Python processes along that a traced program starts: they are recorded, or answered from the cassette, too.

A folder with one file, ``path/sitecustomize.py``, is put onto their ``PYTHONPATH``, and what they need to know into the
variable ``HARNESS_CHILDREN``. What they share with the program, such as which exchanges of a cassette are used up, is
kept in a folder of the family, which lasts as long as the program does.

A process that is started inside a run with ``subprocess`` belongs to that run. One that ``multiprocessing`` starts
afresh has runs of its own: its environment is the whole program's, and several runs may go on in that at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import plugins, recording, semconv
from harness.children import starting
from harness.redaction import project

VARIABLE = "HARNESS_CHILDREN"
_PLAYED = ("HARNESS_STUBS", "HARNESS_FREEZE")
"""What comes between the program and the real thing, without a cassette."""
PATH = Path(__file__).parent / "path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a program and its children share. *folder* is theirs alone, *cassette* the file that answers in a replay."""

    folder: Path
    store: Path
    mode: str = "live"
    name: str | None = None
    tags: tuple[str, ...] = ()
    capture: str = "full"
    cassette: Path | None = None

    def began(self, run_id: str) -> None:
        """Note that a run began in this process."""
        with contextlib.suppress(OSError), (self.folder / "runs").open("a", encoding="utf-8") as file:
            file.write(json.dumps(run_id) + "\n")

    def runs(self) -> list[str]:
        """List the runs that began in any process of the family, in order."""
        return list(dict.fromkeys(map(json.loads, _lines(self.folder / "runs"))))

    def refuse(self, what: str) -> None:
        """Note *what* a process of a replay was kept from."""
        with contextlib.suppress(OSError), (self.folder / "refused").open("a", encoding="utf-8") as file:
            file.write(what + "\n")

    def refused(self) -> list[str]:
        """List what processes of a replay were kept from."""
        return list(refused(self.folder))

    def variables(self, environment: Mapping[str, str], *, out: bool = False) -> dict[str, str]:
        """Give what a child needs in its *environment*, added to what is there.

        One that is started by a call that is made for real in a replay is let *out* to the network.
        """
        told = json.dumps(asdict(self), default=str)
        modules = ",".join(sorted({adapter.module for adapter in recording.adapters()}))
        path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != str(PATH)]
        return {
            "PYTHONPATH": os.pathsep.join([str(PATH), *path]),
            VARIABLE: "|".join(("live" if out else self.mode, modules, str(self.folder), told)),
        }


def refused(folder: Path) -> tuple[str, ...]:
    """List what the processes of the family that has *folder* were kept from, in order and once each."""
    return tuple(dict.fromkeys(_lines(folder / "refused")))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def read(environment: Mapping[str, str]) -> Family | None:
    """Read the family from the *environment* of a child; None outside of one."""
    told = environment.get(VARIABLE, "").split("|", 3)
    if len(told) != len(("mode", "modules", "folder", "all")):
        return None
    known: dict[str, Any] = json.loads(told[3])
    cassette = Path(known["cassette"]) if known["cassette"] else None
    paths = {"folder": Path(known["folder"]), "store": Path(known["store"]), "cassette": cassette}
    return Family(**{**known, **paths, "tags": tuple(known["tags"])})


def attach() -> None:
    """Record this process, or have it answered from the cassette, as the program that started it is."""
    family = read(os.environ)
    if family is None:
        return
    instrument(family, play(family))
    starting.follow(family)


def instrument(family: Family, playing: Any) -> recording.Recording:  # noqa: ANN401 - a sibling's Playing, or None
    """Attach the harness to this process, and let *playing* answer, if anything does."""
    attached = recording.instrument(
        family.store,
        interceptors=playing.interceptors if playing is not None else (),
        mode=family.mode,
        name=family.name,
        tags=family.tags,
        capture=family.capture,
        begun=family.began,
        refused=family.refuse,
        attributes={
            semconv.HARNESS_FAMILY: family.folder.name,
            **(playing.attributes if playing is not None else {}),
        },
    )
    if playing is not None:
        playing.begin(attached)
    return attached


def play(family: Family) -> Any:  # noqa: ANN401 - a sibling's Playing
    """Say what answers the family's calls; None if all go to the real thing.

    What one process has been answered from the cassette is used up for all.
    """
    if family.cassette is None and not any(os.environ.get(name) for name in _PLAYED):
        return None
    made = plugins.sibling("scenarios.playing").from_environment
    return made(family.cassette, redact=project(), shared=family.folder)


@contextlib.contextmanager
def raised(family: Family) -> Iterator[None]:
    """Let the Python processes that this one starts inside the block belong to *family*."""
    names = ("PYTHONPATH", VARIABLE)
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(family.variables(os.environ))
    undo = starting.follow(family)
    try:
        yield
    finally:
        undo()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make a family's folder, for the block; where ``HARNESS_FAMILY`` names one, who made that looks into it later."""
    given = os.environ.pop("HARNESS_FAMILY", None)
    if given and Path(given).is_dir():
        yield Path(given)
        return
    made = Path(tempfile.mkdtemp(prefix="harness-"))
    here = os.getpid()
    try:
        yield made
    finally:
        if os.getpid() == here:  # not in a child that the program forked
            shutil.rmtree(made, ignore_errors=True)
