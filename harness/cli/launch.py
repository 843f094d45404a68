"""Run somebody's Python program in this process as Python would: its arguments, its ``__main__``, its exit code."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import runpy
import sys
import threading
import types
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path

from harness.errors import Exit, HarnessError, UsageError


def check(program: Sequence[str], *, is_module: bool) -> None:
    """Raise UsageError if *program* (and its arguments) cannot be run at all."""
    name = program[0]
    if is_module:
        sys.path[0] = str(Path.cwd())
        if importlib.util.find_spec(name.partition(".")[0]) is None:
            raise UsageError(f"there is no module {name!r}", hint="Give the name as `python -m` takes it.")
        return
    path = Path(name)
    if path.is_dir() and not (path / "__main__.py").is_file():
        raise UsageError(f"{name!r} is a folder without a __main__.py", hint="Name a Python file, or use -m MODULE.")
    if not path.exists():
        hint = "Name a Python file."
        if name.startswith("-"):
            hint = "Options of `harness trace` stand before the program."
        raise UsageError(f"there is no program {name!r}", hint=hint)


def run(program: Sequence[str], *, is_module: bool) -> int:
    """Run *program* and give its exit code. Its uncaught exception is printed as Python prints it, without our frames.

    Waits for its threads, daemons aside, as Python does.
    """
    code = _guarded(program, is_module=is_module)
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    _flush()
    return code


def _flush() -> None:
    """Print what the program has said so far, unless it has closed its stdout."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()


def _guarded(program: Sequence[str], *, is_module: bool) -> int:
    try:
        if is_module:
            _run_module(program)
        else:
            _run_file(program)
    except SystemExit as leaving:
        return _exit_code(leaving.code)
    except KeyboardInterrupt as error:
        _print(error)
        return Exit.INTERRUPTED
    except BaseException as error:  # noqa: BLE001 - as Python's own main loop does
        _print(error)
        return 1
    return 0


def _run_file(program: Sequence[str]) -> None:
    path = Path(program[0])
    sys.argv = list(program)
    if path.is_dir():
        del sys.path[0]  # run_path puts the folder there
        runpy.run_path(program[0], run_name="__main__")
        return
    sys.path[0] = str(path.resolve().parent)
    path = Path(os.path.abspath(path))  # noqa: PTH100 - as Python names it, links and all
    main = types.ModuleType("__main__")
    main.__file__ = str(path)
    main.__loader__ = SourceFileLoader("__main__", str(path))
    main.__annotations__ = {}
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), vars(main))  # noqa: S102 - what it is for


def _run_module(program: Sequence[str]) -> None:
    sys.argv = list(program)
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)


def _exit_code(code: object) -> int:
    """Read an exit code as Python does: nothing is 0, a text is printed and means 1."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - the program's own words
    return 1


def _print(error: BaseException) -> None:
    """Print the exception's traceback from the program's first frame on. A cassette's miss is told afterwards.

    What a guard raises is the program's own to catch.
    """
    if isinstance(error, HarnessError) and getattr(error, "ends", True):
        return
    frames = error.__traceback__
    while frames is not None and _ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    _flush()
    sys.excepthook(type(error), error.with_traceback(frames), frames)


def _ours(file: str) -> bool:
    return file in {__file__, runpy.__file__} or file.startswith("<frozen ")
