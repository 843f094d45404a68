"""Make a scenario of a stored run: what was run, its cassette, and what came of it; or say what cannot be rebuilt.

A run is rebuilt by the code it came from: the program that was traced, or the scenario it rehearsed. A run of another
tool, or of a conversation inside a program that nobody traced, is text: what its agents are made of is not in it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness import check, config, derive, semconv
from harness.errors import UsageError
from harness.model import EndingKind, Json, Operation, RunStatus, Severity
from harness.text import one_line

from . import cassette, scenario

if TYPE_CHECKING:
    from harness.config import Config
    from harness.model import Run
    from harness.store import Store

    from .cassette import Cassette

_SECRET = re.compile(r"\[secret:[^\]\s]{1,80}\]")
_UNSAFE = re.compile(r"[^\w.-]+")
_TOLD = frozenset(kind.value for kind in EndingKind) - {EndingKind.INTERRUPTED.value, EndingKind.UNKNOWN.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scenario as it would be. *value* is its document without the cassette's name; empty if it cannot be.

    *missing* says what cannot be rebuilt, *remarks* what is worth knowing. *folder* is where it belongs, and *source*
    the scenario that it takes over, if it does. *runs* are all that its cassette answers.
    """

    name: str
    value: Mapping[str, Json] = field(default_factory=dict)
    cassette: Cassette
    folder: Path
    source: Path | None = None
    runs: tuple[Run, ...] = ()
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def draft(store: Store, run_id: str, *, program: str | None = None) -> Draft:
    """Draft the scenario of a run, with all runs of the same program.

    *program* is a command line to use where the run does not say one. Raises UsageError for a run without contents.
    """
    run = store.run(run_id)
    runs = _kin(store, run)
    made = cassette.from_runs(runs)
    roots = _roots(run)
    source = _source(roots) if program is None else None
    if program is not None:
        value, missing, folder = _named(program)
    elif source is not None:
        value, missing, folder = _scenario(source)
    else:
        value, missing, folder = _program(run, roots)
    if not made.exchanges:
        missing.append("nothing was asked of models, tools, code or people in it, or nobody answered")
    missing += _unanswered(runs)
    if value and not missing and source is None:
        value = {**value, **_expected(run, runs, config.load(store=store.path))}
    if made.header.freeze and value:
        value = {**value, "freeze": list(made.header.freeze)}
    return Draft(
        name=_name(run, value, rehearsed=source is not None),
        value={} if missing else value,
        cassette=made,
        folder=folder,
        source=source,
        runs=tuple(runs),
        missing=tuple(missing),
        remarks=tuple(_remarks(run, runs, roots)),
    )


def _roots(run: Run) -> dict[str, Json]:
    """Put the attributes of the run's first spans together."""
    known = {span.span_id for span in run.spans}
    found: dict[str, Json] = {}
    for span in run.spans:
        if span.parent_id not in known:
            found = {**span.attributes, **found}
    return found


def _source(roots: Mapping[str, Json]) -> Path | None:
    """Find the scenario that was rehearsed; one that is gone does not matter where the program is known."""
    known = roots.get(semconv.HARNESS_SCENARIO)
    if not isinstance(known, str):
        return None
    return Path(known) if Path(known).is_file() or not roots.get(semconv.PROCESS_ARGUMENTS) else None


def _kin(store: Store, run: Run) -> list[Run]:
    """Find the runs that one program made: its cassette answers them all."""
    family = _roots(run).get(semconv.HARNESS_FAMILY)
    if not isinstance(family, str):
        return [run]
    with store.view() as con:
        rows = con.execute(
            "SELECT DISTINCT run_id FROM spans WHERE json_extract_string(attributes, ?) = ?",
            [f'$."{semconv.HARNESS_FAMILY}"', family],
        ).fetchall()
    return store.each([run_id for (run_id,) in rows]) or [run]


def _named(program: str) -> tuple[dict[str, Json], list[str], Path]:
    words = shlex.split(program)
    if not words or not Path(words[0]).is_file():
        raise UsageError(f"no program at {words[0] if words else ''!r}", hint="Write it as you would after `python`.")
    path = Path(words[0]).absolute()
    return {"program": shlex.join([path.name, *words[1:]])}, [], path.parent


def _scenario(path: Path) -> tuple[dict[str, Json], list[str], Path]:
    """Take over what the scenario at *path* says."""
    import yaml

    if not path.is_file():
        return {}, [f"the scenario that it rehearsed is gone: {path}"], path.parent
    if not path.name.endswith(scenario.SUFFIX):
        return {}, [f"the scenario that it rehearsed is written in Python: record it again ({path})"], path.parent
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    if value.get("data"):
        return {}, [f"the scenario that it rehearsed has several cases: record that one again ({path})"], path.parent
    return {key: one for key, one in value.items() if key not in {"name", "cassette"}}, [], path.parent


def _program(run: Run, roots: Mapping[str, Json]) -> tuple[dict[str, Json], list[str], Path]:
    """Name the program that was traced, or what keeps it from being named."""
    here = Path.cwd()
    words = roots.get(semconv.PROCESS_ARGUMENTS)
    if not isinstance(words, list) or not words:
        return {}, list(_text_alone(run, roots)), here
    words = [str(word) for word in words]
    if words[0] == "-m":
        return {}, [f"the program was run as a module ({shlex.join(words)}), and a scenario names a file"], here
    folder = Path(str(roots.get(semconv.PROCESS_FOLDER) or here))
    path = Path(os.path.normpath(folder / words[0]))
    missing = [f"the program is gone: {path}"] if not path.is_file() else []
    missing += [
        f"argument {number} of the program was a secret, and is not recorded"
        for number, word in enumerate(words[1:], start=1)
        if _SECRET.search(word)
    ]
    return {"program": shlex.join([path.name, *words[1:]])}, missing, path.parent


def _text_alone(run: Run, roots: Mapping[str, Json]) -> Iterator[str]:
    """List what a run that is only text lacks, by name."""
    kind = roots.get(semconv.HARNESS_IMPORT_FORMAT)
    came = f"it was imported ({kind})" if kind else "no `harness trace` recorded it"
    yield f"the program: {came}, so what builds its agents is not known"
    agents = {message.sender for message in run.messages} | {call.agent for call in run.calls if call.agent}
    if agents:
        yield f"the set-up of {_list(agents)}: when they end, who may speak, and their own code"
    tools = {call.name for call in run.calls if call.span.operation is Operation.TOOL and call.name}
    if tools:
        yield f"the code of the tool{'' if len(tools) == 1 else 's'} {_list(tools)}"


def _list(names: set[str] | set[str | None]) -> str:
    return one_line(", ".join(sorted(repr(str(name)) for name in names)), 300)


def _unanswered(runs: Sequence[Run]) -> Iterator[str]:
    """Say which model calls a replay could not tell from others, or answer."""
    chats = [call for run in runs for call in run.calls if call.span.operation is Operation.CHAT]
    dumb = sum(not call.request.get("messages") for call in chats)
    mute = sum(call.reply is not None and not (call.reply.get("message") or {}).get("parts") for call in chats)
    if dumb:
        yield f"what {dumb} of {len(chats)} model calls were asked: their messages are not recorded"
    if mute:
        yield f"what {mute} of {len(chats)} model calls were answered: the replies are not recorded"


def _expected(run: Run, runs: Sequence[Run], settings: Config) -> dict[str, Json]:
    """Expect what came of it, where all came to their end; of several conversations only what is found in them."""
    if any(each.summary.status is not RunStatus.FINISHED or each.summary.ending not in _TOLD for each in runs):
        return {}
    expect: dict[str, Json] = {}
    if len(runs) == 1:
        expect = {"ending": run.summary.ending, "messages": run.summary.messages}
        tools = [call.name for call in run.calls if call.span.operation is Operation.TOOL and call.name]
        expect |= {"tools": tools} if tools else {}
    judged = check.Settings.of(settings)
    findings = [
        found for each in runs for found in check.judge(derive.events(each), judged, disabled=settings.disabled)
    ]
    told = [found for found in findings if found.severity is not Severity.NOTE and found.suppressed is None]
    expect |= {"findings": list(dict.fromkeys(found.code for found in told))} if told else {}
    return {"expect": expect} if expect else {}


def _remarks(run: Run, runs: Sequence[Run], roots: Mapping[str, Json]) -> Iterator[str]:
    if len(runs) > 1:
        yield f"the program made {len(runs)} runs, and its cassette answers them all"
    if run.summary.status is not RunStatus.FINISHED:
        yield f"the run is {run.summary.status.value}: what comes after it is not recorded (`harness resume` goes on)"
    if roots.get(semconv.HARNESS_SAID):
        yield "a message was said that is not in its code (`harness resume --message`): its replay ends before it"
    elif roots.get(semconv.HARNESS_FORKED):
        yield f"it was played {roots[semconv.HARNESS_FORKED]}: make that change in the code, or its replay parts there"
    folder = roots.get(semconv.PROCESS_FOLDER)
    if isinstance(folder, str) and Path(folder) != Path.cwd() and semconv.HARNESS_SCENARIO not in roots:
        yield f"it was run in {folder}: what it reads by relative path lies there"


def _name(run: Run, value: Mapping[str, Json], *, rehearsed: bool) -> str:
    if rehearsed:  # the scenario of that name is there
        return _UNSAFE.sub("_", f"{run.summary.name}_{run.run_id[:8]}")
    stem = Path(shlex.split(str(value["program"]))[0]).stem if value.get("program") else run.summary.name
    return _UNSAFE.sub("_", str(stem)).strip("._") or "promoted"


def document(found: Draft, path: Path) -> str:
    """Write the scenario that is to lie at *path*, with the way to what it names from there."""
    import yaml

    value = dict(found.value)
    words = shlex.split(str(value.get("program") or ""))
    if words:
        there = os.path.relpath(found.folder / words[0], path.absolute().parent)
        value["program"] = shlex.join([there, *words[1:]])
    plain = json.loads(json.dumps(value))  # no tuples or subclasses, which YAML would mark
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110))
