"""``harness trace``: run an unmodified Python program with tracing on."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import launch
from harness.cli.common import say, store_option
from harness.errors import Exit, HarnessError, UsageError
from harness.text import one_line, printable

if TYPE_CHECKING:
    from harness.children import Family
    from harness.model import Run

_MOST_TOLD = 10


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="The command exits with the program's own code; with 4 if a replay diverged from its cassette.",
)
@store_option
@click.option(
    "--record", type=click.Path(dir_okay=False, path_type=Path), metavar="CASSETTE", help="Keep every exchange."
)
@click.option("--replay", type=click.Path(dir_okay=False, path_type=Path), metavar="CASSETTE", help="Answer from it.")
@click.option("--name", metavar="TEXT", help="Name the runs.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag the runs; may be given again.")
@click.option("--note", default="", metavar="TEXT", help="A line for the header of the recorded cassette.")
@click.option(
    "--capture",
    type=click.Choice(["full", "metadata", "off"]),
    help="Keep contents, only who, to whom and how long, or neither.  [default: the project's]",
)
@click.option(
    "--freeze",
    multiple=True,
    type=click.Choice(["clock", "uuid", "random"]),
    help="Let it stand still for the program; may be given again.  [default: as the cassette was recorded]",
)
@click.option(
    "--guard",
    is_flag=False,
    flag_value="",
    metavar="[NAME=VALUE,...]",
    help="Stop runs that go round in circles or use more than they may, as in `max_cost_usd=1,max_model_calls=50`.  "
    "[default limits: 30 model calls, $2, 180 s]",
)
@click.option("-m", "is_module", is_flag=True, help="PROGRAM is a module, as with `python -m`.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing afterwards.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="PROGRAM [ARGS]...")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    store: Path | None,
    record: Path | None,
    replay: Path | None,
    name: str | None,
    tags: tuple[str, ...],
    note: str,
    capture: str | None,
    freeze: tuple[str, ...],
    guard: str | None,
    is_module: bool,
    quiet: bool,
    program: tuple[str, ...],
) -> int:
    """Run PROGRAM, a Python file or module, with tracing on. It needs no change.

    Every message, model call, tool call, code execution, human input and speaker selection becomes a span in the store.
    With --record the exchanges are kept in CASSETTE once the program has ended well; with --replay they answer instead
    of the outside world, with no key and no network.
    """
    guard, program = _said(guard, program)
    if record and replay:
        raise UsageError("--record and --replay exclude each other", hint="Record first, replay afterwards.")
    launch.check(program, is_module=is_module)
    from harness import children, config

    settings = config.load(store=store)
    os.environ.update({"HARNESS_FREEZE": ",".join(freeze)} if freeze else {})
    os.environ.update(_guarded(guard, settings.guard))
    with children.folder() as folder:
        family = children.Family(
            folder=folder,
            store=settings.store,
            mode=_mode(record, replay),
            name=name,
            tags=tags,
            capture=capture or settings.capture.value,
            cassette=replay.absolute() if replay else None,
        )
        went = _traced(family, program, is_module=is_module)
    if went.forked:
        return went.code
    if went.dropped:
        say(f"harness: {went.dropped:,} records could not be written to {printable(settings.store)}. Is the disk full?")
    runs, lost = _runs(settings.store, went.runs)
    if lost is not None:
        say(f"harness: {printable(lost)}")
        say(f"  {printable(lost.hint)}")
    elif not quiet:
        _tell(runs)
    if _diverged(went.misses, went.refused):
        return Exit.DIVERGED
    if went.account is not None and not quiet:
        answered, unused = went.account.answered, went.account.unused
        say(f"harness: replayed {answered} exchanges from {printable(replay)}, {unused} unused")
    if record and lost is not None:
        return went.code or lost.code
    if record:
        _record(record, runs, code=went.code, note=note)
    return went.code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traced:
    """How a program went: its exit code and the ids of its runs, and what a replay had for it and had not.

    *forked* says that this is a child of the program's that came back here: its parent tells, and records.
    """

    code: int
    forked: bool = False
    runs: Sequence[str] = ()
    dropped: int = 0
    misses: Sequence[HarnessError] = ()
    refused: Sequence[str] = ()
    account: Any = None


def _traced(family: Family, program: Sequence[str], *, is_module: bool) -> _Traced:
    """Run *program* with tracing on for as long as it takes."""
    from harness import children, recording

    playing = children.play(family)
    attached = children.instrument(family, playing)
    attached.trace.attributes.update(_program(attached, program, is_module=is_module))
    process = os.getpid()
    try:
        with children.raised(family):
            code = launch.run(program, is_module=is_module)
        if os.getpid() != process:
            return _Traced(code=code, forked=True)
        replaying = playing.replay if playing is not None else None
        return _Traced(
            code=code,
            runs=list(dict.fromkeys([*attached.trace.recent, *family.runs()])),
            dropped=attached.journal.dropped,
            misses=() if replaying is None else replaying.misses,
            refused=family.refused(),
            account=None if replaying is None else replaying.account(),
        )
    finally:
        recording.uninstrument()


def _said(guard: str | None, program: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Tell the guard's limits from the program: one that was said without limits stands right before it."""
    if guard and "=" not in guard:
        guard, program = "", (guard, *program)
    if not program:
        raise UsageError("Missing argument 'PROGRAM [ARGS]...'.", hint="Name a Python file, or use -m MODULE.")
    return guard, program


def _guarded(text: str | None, project: Mapping[str, Any] | None) -> dict[str, str]:
    """Read the guard's limits over those of the *project*, for this process and its children."""
    if text is None:
        return {}
    from harness.guarding import written

    return written.told({**(project or {}), **written.words(text)}).environment()


def _mode(record: Path | None, replay: Path | None) -> str:
    """Say how the program is attached: a replay that goes on for real needs its keys and the network."""
    if replay and not os.environ.get("HARNESS_FORK"):
        return "replay"
    return "record" if record or replay else "live"


def _program(attached: Any, program: Sequence[str], *, is_module: bool) -> dict[str, Any]:  # noqa: ANN401 - a Recording
    """Say what is run, so that a run can be made a scenario of; and which scenario it rehearses already."""
    from harness import semconv

    words = ["-m", *program] if is_module else list(program)
    scenario = os.environ.get("HARNESS_SCENARIO")
    return {
        semconv.PROCESS_ARGUMENTS: attached.privacy.redaction.arguments(words),
        semconv.PROCESS_FOLDER: attached.privacy.redaction.text(str(Path.cwd())),
        **({semconv.HARNESS_SCENARIO: scenario} if scenario else {}),
    }


def _diverged(misses: Sequence[HarnessError], refused: Sequence[str]) -> bool:
    """Tell what a replay had no answer to, if anything: what was asked through the seam, and what past it."""
    if misses:
        say(f"harness: {printable(misses[0])}")
        say(f"  {printable(misses[0].hint)}")
    if refused:
        say(f"harness: {printable(refused[0])}")
        say("  Record again: `harness trace --record FILE`. What asks no model through AutoGen cannot be replayed.")
    return bool(misses or refused)


def _runs(store: Path, made: Sequence[str]) -> tuple[list[Run], HarnessError | None]:
    """Take in what was recorded, judge it, and read the runs again; or say what hinders."""
    from harness import check, config, derive
    from harness.store import open_store

    try:
        opened = open_store(store)
        opened.ingest()
        settings = config.load(store=store)
        asked = check.Settings.of(settings)
        runs = [
            replace(run, findings=check.judge(derive.events(run), asked, disabled=settings.disabled))
            for run in opened.each(made)
        ]
        opened.judge_all({run.run_id: run.findings for run in runs})
    except HarnessError as error:
        return [], error
    return runs, None


def _tell(runs: Sequence[Run]) -> None:
    from harness.cli.figures import SEVERITY_GLYPHS, count, ending, money, tokens

    if not runs:
        say("harness: no AutoGen conversation was seen. Does the program import autogen and start a chat?")
        return
    if len(runs) > _MOST_TOLD:
        say(f"harness: {len(runs):,} runs were recorded; these are the last {_MOST_TOLD}")
    for run in runs[-_MOST_TOLD:]:
        summary = run.summary
        facts = [
            _counted(summary.messages, "message"),
            _counted(summary.model_calls, "model call"),
            *([_counted(summary.tool_calls, "tool call")] if summary.tool_calls else []),
            f"{count(tokens(summary))} tokens",
            money(summary.cost_usd),
            f"ended: {ending(summary)}",
        ]
        say(f"harness: run {summary.run_id} {one_line(summary.name, 40)} · {' · '.join(facts)}")
        for finding in run.findings:
            glyph = SEVERITY_GLYPHS[finding.severity]
            say(f"  {glyph} {finding.code} {finding.name}: {one_line(finding.text, 100)}")
    say(f"  Next: `harness show {runs[-1].run_id}` or `harness tui`.")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _record(path: Path, runs: Sequence[Run], *, code: int, note: str) -> None:
    """Promote the runs to a cassette, if the program ended well."""
    from harness import plugins

    if code:
        say(f"harness: the program ended with {code}, so {printable(path)} was not written")
        return
    cassettes: Any = plugins.sibling("scenarios.cassette")
    cassette = cassettes.from_runs(runs, note=note)
    if not cassette.exchanges:
        raise UsageError(f"nothing to record: the program asked nothing, so {str(path)!r} was not written")
    changed = cassette.write(path, way=os.environ.get("HARNESS_MATCHING") or "match")
    state = "recorded" if changed else "unchanged:"
    print(f"harness: {state} {len(cassette.exchanges)} exchanges in {printable(path)}", file=sys.stderr)  # noqa: T201
