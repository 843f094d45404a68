"""The options that let a replay go on for real, for the verbs that play."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import click

from harness import plugins
from harness.cli.common import Function


def fork_options(function: Function) -> Function:
    """Add ``--fork-at``, ``--model`` and ``--prompt``, as the parameter *fork*: a Fork, or None."""

    @functools.wraps(function)
    def forking(*, fork_at: int | None, model: str | None, prompts: Mapping[str, str], **others: object) -> object:
        if fork_at is None and (model or prompts):
            raise click.UsageError("--model and --prompt change what is asked after a fork: say where, --fork-at N")
        made = None
        if fork_at is not None:
            made = plugins.sibling("scenarios.forking").Fork(message=fork_at, model=model, prompts=prompts)
        return function(fork=made, **others)

    at = click.option(
        "--fork-at",
        type=click.IntRange(min=0),
        metavar="N",
        help="Replay up to message N, and go on with the real models, tools and people from there.",
    )
    return at(change_options(forking))  # type: ignore[return-value]


def change_options(function: Function) -> Function:
    """Add ``--model`` and ``--prompt``, as the parameters *model* and *prompts* (agent to text)."""
    model = click.option("--model", metavar="NAME", help="Ask this model then, whichever agent asks.")
    prompt = click.option(
        "--prompt",
        "prompts",
        multiple=True,
        callback=_prompts,
        metavar="AGENT=TEXT",
        help="Tell the agent this then, as its system message; may be given again.",
    )
    return model(prompt(function))


def _prompts(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    found = {}
    for value in values:
        agent, equals, text = value.partition("=")
        if not equals or not agent:
            raise click.BadParameter(f"{value!r} is not of the form AGENT=TEXT", ctx, param)
        found[agent] = text
    return found
