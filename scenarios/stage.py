"""Let a scenario's agents act: agents from its file, a function, or a whole program in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import importlib.util
import inspect
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import blocks, children, recording, semconv
from harness.call import StoppedError
from harness.errors import EnvironmentProblem, Exit, HarnessError, UsageError
from harness.offline import NetworkRefusedError
from harness.text import one_line

from . import casting, limiting, playing, timing
from .last_words import last_words
from .replaying import CassetteMissError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .forking import Fork
    from .replaying import Replay
    from .scenario import Scenario

_MOST_OUTPUT = 100_000
LOADED_AS = "_scenario_"
"""How the names of modules begin that lie beside a scenario and are loaded for it."""
# Not `-m`: the folder one stands in may hold a `harness` of its own.
_COMMAND = "import sys; here = sys.path.pop(0); from harness.cli import main; sys.path.insert(0, here); main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How it went: what broke it off if it did not come to its own end, or None; and what it printed.

    *stopped* says which of its limits stopped it. *overdue* says that it was given up for taking too long. *refused* is
    what a replay was kept from on the network, a sentence each.
    """

    raised: str | None = None
    stopped: str | None = None
    overdue: bool = False
    refused: tuple[str, ...] = ()
    output: str = ""


def ready(scenario: Scenario) -> None:
    """Load what a performance needs, so that it is not counted as its time. Raises EnvironmentProblem if it is missing.

    AutoGen's loggers keep the stdout they were loaded with: what they say is for nobody here.
    """
    if not scenario.agents and not any(map(_installed, casting.MODULES.values())):
        raise EnvironmentProblem("no AutoGen is installed", hint="pip install 'autogen-harness[demo]'")
    if scenario.program:
        return
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if scenario.framework:
            _builder(scenario.framework).present()
        elif _installed(casting.MODULES["classic"]):
            _builder("classic").present()


def _installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _builder(framework: str) -> Any:  # noqa: ANN401 - a module
    return importlib.import_module(f"harness.adapters.{framework}_build")


def here(  # noqa: PLR0913 - each is one thing that may be set
    scenario: Scenario,
    *,
    run_id: str,
    store: Path,
    replay: Replay | None,
    tags: Sequence[str],
    patience_s: float | None = None,
    fork: Fork | None = None,
) -> Performance:
    """Perform in this process; without a *replay*, or after a *fork*, for real; for *patience_s* seconds at most.

    What was attached before is taken off: it belongs to somebody else's run. Raises EnvironmentProblem or UsageError if
    the scenario cannot begin.
    """
    recording.uninstrument()
    guard = limiting.guard(scenario)
    play = playing.of_scenario(scenario, replay, fork)
    attached = recording.instrument(
        store,
        interceptors=play.interceptors,
        mode=play.mode,
        tags=tags,
        capture="full" if replay else None,  # what a cassette says is on disk already, and is what is expected
        attributes={**play.attributes, semconv.HARNESS_SCENARIO: str(scenario.path.absolute())},
        guard=guard,
    )
    printed = io.StringIO()
    raised, stopped = None, None
    clock = timing.Clock(_first(scenario, patience_s))
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            blocks.run(scenario.name, id=run_id),
            _beside(scenario.folder),
            clock,
        ):
            play.begin(attached)
            perform(scenario)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever agents raise belongs into the verdict
        raised = _told(error)
    finally:
        recording.uninstrument()
    overdue = clock.struck and not _own(scenario, patience_s)
    if clock.struck and not overdue:
        stopped = f"the limit of {scenario.limits['seconds']:g} s was reached"
    elif guard is not None and guard.reason is not None:
        stopped = guard.reason
    return Performance(
        raised=raised,
        stopped=stopped,
        overdue=overdue,
        refused=tuple(attached.walls.refused),
        output=_kept(printed.getvalue()),
    )


def _told(error: BaseException) -> str:
    """Say what broke a performance off. Raises what kept it from beginning again."""
    if isinstance(error, (CassetteMissError, NetworkRefusedError, StoppedError)):
        return str(error)
    if isinstance(error, HarnessError):
        raise error
    _missing_framework(error)
    said = str(error).partition("\nTraceback")[0]  # AgentChat's teams hand the whole of it on
    return f"it raised {type(error).__qualname__}: {one_line(said, 300)}"


def _own(scenario: Scenario, patience_s: float | None) -> bool:
    """Say whether the scenario's own limit of seconds comes first."""
    return scenario.limits.get("seconds", float("inf")) <= (patience_s or float("inf"))


def _first(scenario: Scenario, patience_s: float | None) -> float | None:
    return min((one for one in (scenario.limits.get("seconds"), patience_s) if one is not None), default=None)


def _kept(output: str) -> str:
    """Keep the end of what was printed."""
    return output if len(output) <= _MOST_OUTPUT else "…" + output[-_MOST_OUTPUT:]


def _missing_framework(error: BaseException) -> None:
    """Raise EnvironmentProblem if it is a framework that could not be imported."""
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] in casting.MODULES.values():
        framework = next(name for name, module in casting.MODULES.items() if error.name.partition(".")[0] == module)  # type: ignore[union-attr]
        _builder(framework).present()


def in_a_process(  # noqa: PLR0913
    scenario: Scenario,
    *,
    run_id: str,
    store: Path,
    replay: Replay | None,
    tags: Sequence[str],
    matching: str,
    note: str = "",
    patience_s: float | None = None,
    fork: Fork | None = None,
) -> Performance:
    """Run the scenario's program as ``harness trace`` does, unmodified, in a process of its own.

    Without a *replay* it runs for real, and its cassette is written with *note*; with one, it is played by *matching*,
    up to the *fork* if there is one.
    After *patience_s* seconds, or its own limit of them, it is killed with all that it started.
    """
    command = [sys.executable, "-c", _COMMAND, "trace", "--quiet", "--store", str(store), "--name", scenario.name]
    for tag in tags:
        command += ["--tag", tag]
    if replay is not None:
        command += ["--replay", str(scenario.cassette), "--capture", "full"]
    else:
        command += ["--record", str(scenario.cassette), "--note", note]
    program, *arguments = scenario.program
    variables = {**playing.variables(scenario, matching, fork), **limiting.environment(scenario)}
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryDirectory() as family:
        code = timing.run(
            [*command, str(scenario.folder / program), *arguments],
            seconds=_first(scenario, patience_s),
            env={**os.environ, **variables, "HARNESS_RUN_ID": run_id, "HARNESS_FAMILY": family},
            stdout=printed,
        )
        printed.seek(0)
        output = _kept(printed.read().decode(errors="replace"))
        refused = children.refused(Path(family))
    if code is None:
        seconds = _first(scenario, patience_s)
        if _own(scenario, patience_s):
            return Performance(stopped=f"the limit of {seconds:g} s was reached", output=output)
        return Performance(raised="it was killed", overdue=True, output=output)
    if code < 0:
        return Performance(raised=f"it was ended by signal {-code}", output=output)
    if code not in {Exit.CLEAN, Exit.DIVERGED}:
        return Performance(raised=f"it exited with {code}: {last_words(output)}", refused=refused, output=output)
    return Performance(refused=refused, output=output)


def perform(scenario: Scenario) -> None:
    """Let the agents of *scenario* act, in this process and with whatever is attached to it."""
    if scenario.framework:
        _builder(scenario.framework).converse(scenario.agents, scenario.stages, functools.partial(named, scenario))
        return
    if scenario.factory is None:
        raise AssertionError(f"{scenario.path} has nothing to perform")
    function = named(scenario, scenario.factory)
    made = function(scenario) if _takes_one(function) else function()
    if inspect.isawaitable(made):
        made = asyncio.run(_awaited(made))
    if isinstance(made, tuple) and len(made) == 3:  # noqa: PLR2004 - (initiator, recipient, message)
        initiator, recipient, message = made
        initiator.initiate_chat(recipient, message=message)
    elif isinstance(made, tuple) and len(made) == 2:  # noqa: PLR2004 - (agent or team, task)
        asyncio.run(_asked(*made))


async def _asked(whom: Any, task: Any) -> Any:  # noqa: ANN401 - an AgentChat agent or team, or an AG2 agent
    """Give *task* to what a factory made: AgentChat runs it, AG2 asks it."""
    return await (whom.run(task=task) if hasattr(whom, "run_stream") else whom.ask(task))


def named(scenario: Scenario, name: str) -> Callable[..., Any]:
    """Find the function *name* of *scenario*: one that Python handed over, or else as :func:`resolve` does."""
    return scenario.functions[name] if name in scenario.functions else resolve(name, scenario.folder)


async def _awaited(made: Any) -> Any:  # noqa: ANN401 - what the factory gives
    return await made


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return any(one.kind in positional and one.default is inspect.Parameter.empty for one in parameters)


def resolve(name: str, folder: Path) -> Callable[..., Any]:
    """Find the function *name*, ``module:function``; a module beside the scenario is the one that is meant.

    It is loaded afresh each time, so that no rehearsal sees what another left behind. Raises UsageError if there is no
    such module or function.
    """
    module_name, _, path = name.partition(":")
    file = folder / f"{module_name}.py"
    try:
        module = _fresh(file) if file.is_file() else importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        _missing_framework(error)
        if error.name not in {module_name, module_name.partition(".")[0]}:
            raise UsageError(f"{name!r} cannot be loaded: {error}", hint="Install what it imports.") from error
        hint = f"It is looked for as {str(file)!r}, and then on Python's path."
        raise UsageError(f"no module {module_name!r}", hint=hint) from error
    found: Any = module
    for attribute in path.split("."):
        found = getattr(found, attribute, None)
    if not callable(found):
        raise UsageError(f"{module_name!r} has no function {path!r}", hint=f"It was loaded from {module.__file__!r}.")
    function: Callable[..., Any] = found
    return function


def _fresh(file: Path) -> Any:  # noqa: ANN401 - a module
    name = f"{LOADED_AS}{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{str(file)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let modules beside the scenario be imported while it performs."""
    added = [str(folder.absolute()), str(Path.cwd())]
    sys.path[:0] = added
    try:
        yield
    finally:
        for entry in added:
            with contextlib.suppress(ValueError):
                sys.path.remove(entry)
