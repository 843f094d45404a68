"""Let a scenario's agents act: agents from its file, a function, or a whole program in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import io
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import recording
from harness.errors import EnvironmentProblem, Exit, HarnessError, UsageError
from harness.text import one_line

from .replaying import CassetteMissError, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .replaying import Replay
    from .scenario import Scenario

# Not `-m`: the folder one stands in may hold a `harness` of its own.
_COMMAND = "import sys; here = sys.path.pop(0); from harness.cli import main; sys.path.insert(0, here); main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How it went: what ended it if not its own end, or None; and what it printed."""

    raised: str | None = None
    output: str = ""


def ready(scenario: Scenario) -> None:
    """Load what a performance needs, so that it is not counted as its time. Raises EnvironmentProblem if it is missing.

    AutoGen's loggers keep the stdout they were loaded with: what they say is for nobody here.
    """
    if scenario.program:
        if importlib.util.find_spec("autogen") is None:
            raise EnvironmentProblem("classic AutoGen is not installed", hint="pip install 'autogen-harness[demo]'")
        return
    from harness.adapters import classic_build

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        classic_build.present()


def here(scenario: Scenario, *, run_id: str, store: Path, replay: Replay | None, tags: Sequence[str]) -> Performance:
    """Perform in this process; without a *replay*, for real.

    What was attached before is taken off: it belongs to somebody else's run. Raises EnvironmentProblem or UsageError if
    the scenario cannot begin.
    """
    recording.uninstrument()
    mode = "replay" if replay else "record"
    recording.instrument(
        store,
        interceptors=(replay,) if replay else (),
        mode=mode,
        tags=tags,
        capture="full" if replay else None,  # what a cassette says is on disk already, and is what is expected
    )
    printed = io.StringIO()
    raised = None
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            recording.run(scenario.name, id=run_id),
            _beside(scenario.folder),
        ):
            _perform(scenario)
    except CassetteMissError as miss:
        raised = str(miss)
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever agents raise belongs into the verdict
        raised = f"it raised {type(error).__qualname__}: {one_line(error, 300)}"
    finally:
        recording.uninstrument()
    return Performance(raised=raised, output=printed.getvalue())


def in_a_process(  # noqa: PLR0913
    scenario: Scenario,
    *,
    run_id: str,
    store: Path,
    replay: Replay | None,
    tags: Sequence[str],
    matching: str,
    note: str = "",
) -> Performance:
    """Run the scenario's program as ``harness trace`` does, unmodified, in a process of its own.

    Without a *replay* it runs for real, and its cassette is written with *note*; with one, it is played by *matching*.
    """
    command = [sys.executable, "-c", _COMMAND, "trace", "--quiet", "--store", str(store), "--name", scenario.name]
    for tag in tags:
        command += ["--tag", tag]
    if replay is not None:
        command += ["--replay", str(scenario.cassette), "--capture", "full"]
    else:
        command += ["--record", str(scenario.cassette), "--note", note]
    program, *arguments = scenario.program
    with tempfile.TemporaryFile() as printed:
        done = subprocess.run(  # noqa: S603 - the program the user named
            [*command, str(scenario.folder / program), *arguments],
            check=False,
            env={**os.environ, **_how(scenario, matching), "HARNESS_RUN_ID": run_id},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    if done.returncode < 0:
        return Performance(raised=f"it was ended by signal {-done.returncode}", output=output)
    if done.returncode not in {Exit.CLEAN, Exit.DIVERGED}:
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        return Performance(raised=f"it exited with {done.returncode}: {one_line(last, 300)}", output=output)
    return Performance(output=output)


def _how(scenario: Scenario, matching: str) -> dict[str, str]:
    return environment(matching=matching, normalise=scenario.normalise, live=scenario.live)


def _perform(scenario: Scenario) -> None:
    from harness.adapters import classic_build

    if scenario.agents:
        classic_build.converse(
            scenario.agents, scenario.team, scenario.task, lambda name: resolve(name, scenario.folder)
        )
        return
    if scenario.factory is None:
        raise AssertionError(f"{scenario.path} has nothing to perform")
    function = resolve(scenario.factory, scenario.folder)
    made = function(scenario) if _takes_one(function) else function()
    if inspect.isawaitable(made):
        made = asyncio.run(_awaited(made))
    if isinstance(made, tuple) and len(made) == 3:  # noqa: PLR2004 - (initiator, recipient, message)
        initiator, recipient, message = made
        initiator.initiate_chat(recipient, message=message)


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
    name = f"_scenario_{file.stem}"
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
