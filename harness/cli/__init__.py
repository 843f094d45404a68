"""The command ``harness``: its verbs, one file each, loaded when they are used.

stdout is data, stderr is narration. A person's mistake is one line on stderr and an exit code from
:class:`harness.errors.Exit`; a traceback means a fault of ours.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import click

from harness import __version__
from harness.errors import EnvironmentProblem, Exit, HarnessError, UsageError
from harness.text import printable

VERBS: dict[str, str] = {
    "demo": "Replay the bundled scenarios with real agents, offline.",
    "trace": "Run a Python program with tracing on.",
    "run": "Run scenarios: replay recorded conversations and judge them.",
    "promote": "Make a scenario and its cassette of a recorded run.",
    "resume": "Go on with a recorded run, with the real models.",
    "stop": "End a run that goes on in another process.",
    "accept": "Take a reviewed change into a cassette, without asking a model.",
    "cassette": "Look after cassettes: show, diff, verify, prune, redact, migrate.",
    "runs": "List the recorded runs, newest first.",
    "show": "Print one run's conversation, or all that is known of it.",
    "diff": "Compare two runs: where they parted, and why.",
    "stats": "Sum up calls by agent, model, tool or run.",
    "audit": "Judge a set-up before it runs: whether it ends, what it can cost, its red lines.",
    "check": "Judge recorded runs: loops, budgets, endings.",
    "explain": "Say what a check means and how to mend what it finds.",
    "sql": "Ask the store a question in SQL, read-only.",
    "import": "Take in runs that other tools wrote down.",
    "export": "Send runs to another tool.",
    "tui": "Browse runs in the terminal.",
    "store": "Look after the store: info, verify, prune, compact.",
    "doctor": "Say what is installed and whether the store is well.",
}
"""Every verb and its one-line help, in the order of ``--help``. ``harness/cli/VERB.py`` holds its ``command``."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


class Verbs(click.Group):
    """A group that knows its verbs' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102 - click's interface
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"harness.cli.{cmd_name}").command
        return command

    def resolve_command(  # noqa: D102
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            hint = f"Did you mean `harness {near[0]}`?" if near else "`harness --help` lists the verbs."
            raise UsageError(f"there is no verb {args[0]!r}", hint=hint)
        if args[0] != "trace":  # whose program writes as it always did
            _write_what_stdout_can()
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401, D102 - click's interface
        with _ended_from_outside():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401, D102 - click's interface
        with _ended_from_outside():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002, D102
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="harness")
def harness() -> None:
    """Record, rehearse and judge AutoGen agent runs.

    Start with `harness demo`, then `harness trace your_app.py` and `harness tui`.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(execute(args))


def execute(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if sys.platform == "win32":
        click.echo("harness: Linux and macOS only; on Windows, run it inside WSL.", err=True)
        return Exit.ENVIRONMENT
    try:
        result = harness.main(args=args, prog_name="harness", standalone_mode=False)
    except HarnessError as error:
        if not isinstance(error, _ReaderGoneError):
            _refuse(str(error), error.hint)
        return error.code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return Exit.CLEAN
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _refuse(error.format_message(), f"Try `{context.command_path} --help`." if context else "")
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        _refuse("interrupted", "")
        return Exit.INTERRUPTED
    return result if isinstance(result, int) else Exit.CLEAN


class _ReaderGoneError(HarnessError):
    """Whoever read stdout has closed it, as ``head`` does: nothing is left to say."""

    code = Exit.READER_GONE


def _refuse(what: str, hint: str) -> None:
    with suppress(OSError):
        click.echo(f"harness: {printable(what)}", err=True)
        if hint:
            click.echo(f"  {printable(hint)}", err=True)


@contextmanager
def _ended_from_outside() -> Iterator[None]:
    """Name what ends a command from outside before click does, whose exit code for it would be that of findings."""
    try:
        yield
    except BrokenPipeError as error:
        _let_go_of_stdout()
        raise _ReaderGoneError("nobody reads what is printed") from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _let_go_of_stdout()
        where = f" {error.filename!r}" if error.filename else ""
        message = f"cannot write{where}: {error.strerror}"
        raise EnvironmentProblem(message, hint="Make room, or write somewhere else.") from error
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # how DuckDB tells of Ctrl-C while it works
            raise
        raise KeyboardInterrupt from error


def _let_go_of_stdout() -> None:
    """Leave nothing in stdout's buffer that the interpreter would fail to write once more when it ends."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_what_stdout_can() -> None:
    """Have a character that stdout's encoding lacks written as its escape."""
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="backslashreplace")
