"""Describe how a classic agent is set up: modes, limits, model, tools, executor. Reads only."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from harness.model import Json

_WORD = "TERMINATE"
"""What AutoGen's own prompts ask an agent to end with, and its own predicate waits for."""
_ASKED_FOR = re.compile(
    r"(?i:\b(?:repl|respon|say|type|writ|send|answer|end|output|return|includ|finish|conclu|give|provid|signal|print|"
    r"stat|form)\w*)\b[^.!?\n]{0,80}?\b([A-Z]{2,}(?:_[A-Z0-9]{2,})+)\b"
)
_MOST_WORDS = 8


def describe(agent: Any) -> dict[str, Json]:
    """Give the set-up of *agent* as JSON; what it does not have is left out."""
    config = getattr(agent, "llm_config", None)
    executor = getattr(agent, "_code_executor", None)
    code = getattr(agent, "_code_execution_config", None)
    found: dict[str, Json] = {
        "name": getattr(agent, "name", None),
        "type": type(agent).__name__,
        "description": getattr(agent, "description", None) or None,
        "human_input_mode": getattr(agent, "human_input_mode", None),
        "max_consecutive_auto_reply": getattr(agent, "_max_consecutive_auto_reply", None),
        "models": models(config) or None,
        **(_told_of_the_end(getattr(agent, "system_message", None)) if config else {}),
        "is_termination_msg": _predicate(agent),
        "tools": sorted(getattr(agent, "function_map", None) or ()) or None,
        "code_execution": type(executor).__name__ if executor else _legacy(code) if code else None,
        "sandboxed": sandboxed(executor) if executor else code_in_docker(code) if code else None,
    }
    group = getattr(agent, "groupchat", None)
    if group is not None:
        found["max_round"] = getattr(group, "max_round", None)
        method = getattr(group, "speaker_selection_method", None)
        found["speaker_selection"] = method if isinstance(method, str) else "custom"
    return {name: value for name, value in found.items() if value is not None}


def models(config: Any) -> list[str]:
    """List the models of an ``llm_config``, in order of fallback."""
    if not config:
        return []
    entries = config.get("config_list") if hasattr(config, "get") else getattr(config, "config_list", None)
    entries = entries or [config]
    named = (entry.get("model") if hasattr(entry, "get") else getattr(entry, "model", None) for entry in entries)
    return [str(model) for model in named if model]


def _told_of_the_end(prompt: object) -> dict[str, Json]:
    """Say what *prompt* asks an agent to end with: whether it is AutoGen's own word, and words of several parts."""
    if not isinstance(prompt, str):
        return {}
    return {"end_in_prompt": _WORD in prompt, "end_words": list(_asked_for(prompt)) or None}


@functools.lru_cache(256)
def _asked_for(prompt: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found[1] for found in _ASKED_FOR.finditer(prompt)))[:_MOST_WORDS]


_HERE = frozenset({"LocalCommandLineCodeExecutor", "EmbeddedIPythonCodeExecutor"})
_APART = frozenset({"DockerCommandLineCodeExecutor", "DaytonaCodeExecutor", "YepCodeCodeExecutor"})


def sandboxed(executor: Any) -> bool | None:
    """Say whether *executor* runs code apart from this machine; None for an unknown class, or a Jupyter server."""
    names = {cls.__name__ for cls in type(executor).__mro__}
    return False if names & _HERE else True if names & _APART else None


def code_in_docker(settings: Any) -> bool | None:
    """Say whether code runs in Docker where an agent has no executor; None where the framework decides when it does."""
    wanted = settings.get("use_docker") if isinstance(settings, Mapping) else None
    return None if wanted is None else bool(wanted)


def _legacy(settings: Any) -> str:
    return "docker" if code_in_docker(settings) else "local"


def _predicate(agent: Any) -> str | None:
    """Name the function that ends a chat with *agent*: where it was written, or ``default`` for the framework's."""
    function = vars(agent).get("_is_termination_msg")
    if function is None:
        return None
    name = str(getattr(function, "__qualname__", None) or type(function).__qualname__)
    module = str(getattr(function, "__module__", None) or "")
    return "default" if module.startswith("autogen.") and "<lambda>" in name else f"{module}:{name}"
