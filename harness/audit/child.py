"""The process in which a target is looked at: it runs until it asks for anything, and is described and ended there.

Everything that passes the seam counts (a model, a tool, code, a person, the choice of a speaker), and so do the network
and ``input()``. The process ends at once: no handler of the program's can go on, and nothing that it asked for happens.
Lines that the program runs by itself before that do run.
"""

from __future__ import annotations

import asyncio
import builtins
import importlib
import importlib.util
import inspect
import json
import os
import runpy
import sys
import threading
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any, NoReturn

from harness import config
from harness.adapters import ag2_capture, agentchat_capture, classic_capture
from harness.adapters.capturing import NO_KEY, UNKNOWN_MODEL, Captured, here, own
from harness.adapters.patching import Patches
from harness.audit import judging, notebooks
from harness.audit.programs import of_program
from harness.audit.reaching import Unreached, unreached
from harness.call import Call, Reply
from harness.errors import Exit, HarnessError, UsageError
from harness.plugins import sibling
from harness.setups import Place
from harness.suppressing import Suppression
from harness.text import one_line, redactor

_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_GEMINI_API_KEY", "AZURE_OPENAI_API_KEY", "MISTRAL_API_KEY")
_CONFIG = json.dumps([{"model": UNKNOWN_MODEL, "api_key": NO_KEY}])
_ADAPTERS = (classic_capture, agentchat_capture, ag2_capture)


class Looking:
    """One look at one target; *answer* is the file that what is found goes into."""

    def __init__(self, target: str, answer: Path) -> None:
        """Look at *target*."""
        self.target = target
        self.answer = answer
        self.file: Path | None = None
        """The program, once it is run."""
        self.captured = Captured()
        self.guards: list[Any] = []
        self.limits: dict[str, float] = {}
        """Limits that the target itself brings: those of a scenario."""
        self.suppressions: tuple[Suppression, ...] = ()
        """Findings that it says do not count."""
        self._over = threading.Lock()

    def refuse(self, call: Call) -> Generator[Call, Reply, Reply]:
        """End the process: *call* is the first thing that the program asks for."""
        what = f"{call.operation.value} call" + (f" of {call.agent}" if call.agent else "")
        if what:
            self.end(what)
        return (yield call)  # never: this makes it a generator, as interceptors are

    def end(self, what: str | None) -> NoReturn:
        """Describe what there is, and leave."""
        self._over.acquire()  # the first thread to come here ends all
        try:
            setup = of_program(self.captured, stopped=here())
            found = judging.judged(
                self.target,
                setup,
                judging.keys_of(self.captured),
                ended=what,
                limits={**judging.limits_of(config.load(), self.guards), **self.limits},
                suppressions=self.suppressions,
                unreached=self._unreached(setup.stopped),
            )
            self.leave(found.document())
        except HarnessError as error:
            place = here()
            where = f"; its first {what} is in line {place.line}" if what and place is not None else ""
            self.leave({"error": f"{error}{where}", "hint": self._instead() or error.hint, "exit": int(error.code)})
        except BaseException as error:  # noqa: BLE001 - told by the parent, as a fault of ours
            told = "".join(traceback.format_exception(error))
            self.leave(
                {"error": f"cannot be described: {error!r}", "hint": told[-2000:], "exit": int(Exit.ENVIRONMENT)}
            )

    def _instead(self) -> str | None:
        """Say what can be audited where a file has made nothing by itself."""
        missed = [] if self.captured.made else self._unreached(here())
        if not missed:
            return None
        alone = next((each.function for each in missed if each.function), None)
        then = (
            f"Audit that: harness audit {Path(self.target).stem}:{alone}"
            if alone and self.target.endswith(".py")
            else "Audit what calls that."
        )
        return f"{missed[0].what} in line {missed[0].line} was not reached. {then}"

    def _unreached(self, stopped: Place | None) -> list[Unreached]:
        """List the lines of a program that were not reached."""
        if self.file is None:
            return []
        file = str(self.file)
        places = [*self.captured.places.values(), *(begun.place for begun in self.captured.begun), stopped]
        source = notebooks.source(Path(file)) if file.endswith(notebooks.SUFFIX) else None
        return unreached(file, {place.line for place in places if place is not None and place.file == file}, source)

    def leave(self, document: object) -> NoReturn:
        """Write *document*, and end the process without asking anybody."""
        self.answer.write_text(json.dumps(document, ensure_ascii=False, default=str), encoding="utf-8")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def main(target: str, answer: str) -> NoReturn:
    """Look at *target*, and write what is found into the file *answer*."""
    looking = Looking(target, Path(answer))
    _attach(looking)
    try:
        found = _target(target, looking)
    except SystemExit as leaving:
        if leaving.code not in {None, 0} and not looking.captured.made:
            looking.leave(_failed(looking, f"it left with {one_line(leaving.code, 200)}"))
        found = None
    except HarnessError as error:
        looking.leave({"error": str(error), "hint": error.hint, "exit": int(error.code)})
    except BaseException as error:  # noqa: BLE001 - whatever the program raises is told
        looking.leave(_failed(looking, f"it raised {_told(error)}", error))
    if found is None:
        looking.end(None)
    try:
        looking.leave(judging.audit(found, target=target, captured=looking.captured).document())
    except HarnessError as error:
        looking.leave({"error": str(error), "hint": error.hint, "exit": int(error.code)})


def _failed(looking: Looking, what: str, error: BaseException | None = None) -> dict[str, object]:
    hint = "It is run as Python would, up to its first question. Does it run by itself?"
    if looking.file is None and ":" in looking.target:
        hint = "The module is imported, and what is named is called without arguments if it is a function."
    if isinstance(error, ImportError):
        hint = f"It is run by {sys.executable}. Audit it with the Python that has what it imports."
        if looking.file is not None and looking.target.endswith(".py") and _inside(looking.file, error):
            hint = (
                "It is part of a package: name it as `python -m` does, or as module:attribute, from the folder above."
            )
    told = redactor(os.environ)(f"the target failed before it asked for anything: {what}")
    return {"error": told, "hint": hint, "exit": int(Exit.USAGE)}


def _inside(file: Path, error: ImportError) -> bool:
    """Say whether *file* misses the package that it is in."""
    return "relative import" in str(error) or (error.name or "").partition(".")[0] in {
        folder.name for folder in file.parents if (folder / "__init__.py").is_file()
    }


def _told(error: BaseException) -> str:
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if own(frame.filename)]
    where = f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""
    return f"{type(error).__name__}: {one_line(error, 300)}{where}"


def _attach(looking: Looking) -> None:
    """Refuse whatever passes the seam, and see what is made. Keys that clients want stand in the environment.

    The program cannot take the refusal off, nor put a guard before it.
    """
    import harness
    from harness import recording

    for name in _KEYS:
        os.environ.setdefault(name, NO_KEY)
    os.environ.setdefault("OAI_CONFIG_LIST", _CONFIG)
    attached = recording.instrument(
        looking.answer.parent / "store",
        interceptors=[looking.refuse],
        mode="replay",
        capture="off",
        refused=lambda _what: looking.end("connection to the network"),
    )
    attached.interceptors = (looking.refuse, *attached.interceptors)

    def instrument(*_args: object, guard: object = None, **_settings: object) -> recording.Recording:
        looking.guards += [guard] if guard is not None else []
        return attached

    for owner in (recording, harness):
        setattr(owner, "instrument", instrument)  # noqa: B010 - the second is looked up, and never set otherwise
        setattr(owner, "uninstrument", lambda: None)  # noqa: B010
    patches = Patches()
    for adapter in _ADAPTERS:
        if adapter.MODULE in sys.modules:
            adapter.attach(looking.captured, patches)
        else:
            _attach_when_imported(adapter, looking.captured, patches)
    builtins.input = lambda *_prompt: looking.end("question to a person")


def _attach_when_imported(adapter: Any, captured: Captured, patches: Patches) -> None:  # noqa: ANN401 - a module
    import wrapt

    wrapt.register_post_import_hook(lambda _module: adapter.attach(captured, patches), adapter.MODULE)


def _target(target: str, looking: Looking) -> Any:  # noqa: ANN401 - whatever a program makes
    """Run or load *target*, and give the object to judge; None where what was made and begun is judged."""
    if target.endswith((".yaml", ".yml")):
        return _scenario(Path(target), looking)
    if target.endswith(".py") or Path(target).is_file():
        return _file(Path(target).resolve(), looking)
    sys.path[0] = str(Path.cwd())
    module, _, attribute = target.partition(":")
    return _attribute(module, attribute) if attribute else _module(module, looking)


def _file(path: Path, looking: Looking) -> None:
    """Run the file *path* as a program."""
    looking.file = path
    sys.argv = [str(path)]
    sys.path[0] = str(path.parent)
    if path.suffix == notebooks.SUFFIX:
        notebooks.run(path)
    else:
        runpy.run_path(str(path), run_name="__main__")


def _module(module: str, looking: Looking) -> None:
    """Run *module* as ``python -m`` does."""
    looking.file = _origin(module)
    sys.argv = [str(looking.file)]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _attribute(module: str, attribute: str) -> Any:  # noqa: ANN401 - likewise
    """Give what *attribute* of *module* is; what it gives, if it is a function."""
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in {module, module.partition(".")[0]}:
            raise
        raise _no_module(module) from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise UsageError(f"{module!r} has no {attribute!r}", hint=f"It was loaded from {found!r}.")
        found = getattr(found, name)
    if inspect.isroutine(found):
        found = found()
    if inspect.isawaitable(found):
        found = asyncio.run(_awaited(found))
    return found


def _origin(module: str) -> Path:
    """Find the file that ``python -m`` runs for *module*. Raises UsageError if there is none."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise _no_module(module)
    return Path(spec.origin)


def _no_module(module: str) -> UsageError:
    hint = "Name a Python file, a notebook, a scenario, module:attribute, or what `python -m` runs."
    return UsageError(f"there is no module {module!r}", hint=hint)


async def _awaited(found: Any) -> Any:  # noqa: ANN401 - likewise
    return await found


def _scenario(path: Path, looking: Looking) -> None:
    """Let a scenario's agents act as they would, up to their first question."""
    loaded: Any = sibling("scenarios.scenario").load(path)
    looking.limits = {f"max_{kind}": most for kind, most in loaded.limits.items()}
    looking.suppressions = loaded.suppressions
    if loaded.program:
        program = loaded.folder / loaded.program[0]
        sys.argv = [str(program), *loaded.program[1:]]
        sys.path[0] = str(loaded.folder)
        runpy.run_path(str(program), run_name="__main__")
        return
    sys.path[0] = str(loaded.folder.absolute())
    sibling("scenarios.stage").perform(loaded)
