"""Give AG2 1.x's random ids names that are the same in every run.

A hub puts an agent's random id into its prompt, and the framework's own tools give ids of channels, envelopes and
tasks to the model. Recorded as they are, no request would ever come again. Inside the harness they are
``[agent NAME]``, and ``[id N]`` in the order in which a run first mentions them; a model that is played back means the
ids of today. So it is with the folders that the framework makes for code, which are ``[folder N]``. The times that its
tools give are all ``[time]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.model import Json

_ID = re.compile(
    r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?"
)
_FOLDER = re.compile(r"(?:/[\w.+-]+)*/ag2_sandbox_\w{8}\b")
_FOLDER_HINT = "/ag2_sandbox_"
_LABEL = re.compile(r"\[(?:agent [^\]\n]{1,100}|(?:id|folder) \d{1,9})\]")
_INTRODUCTION = re.compile(r"^You are (.{1,80}) \(agent_id: ([0-9a-f]{32})\)\.$", re.MULTILINE)
_MOST_KNOWN = 100_000


class Known:
    """The ids that the framework has made so far, whatever run they come up in; those of agents with their names."""

    def __init__(self) -> None:
        self._names: dict[str, str | None] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    def agent(self, agent_id: str, name: str) -> None:
        """Learn the id of an agent on a hub."""
        self._learn(agent_id, name)

    def prompt(self, text: str) -> None:
        """Learn the id that a hub's plugin tells its agent."""
        for found in _INTRODUCTION.finditer(text):
            self._learn(found[2], found[1])

    def result(self, value: Json) -> None:
        """Learn the ids and the times in what a tool of the framework's own gave."""
        if isinstance(value, str):
            for found in _ID.finditer(value):
                self._learn(found[0], None)
        elif isinstance(value, Mapping):
            for item in value.values():
                self.result(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.result(item)

    def name(self, found: str) -> str | None:
        """Give the name of the agent that *found* is the id of, if it is one."""
        return self._names[found]

    def __contains__(self, found: object) -> bool:
        return found in self._names

    def _learn(self, found: str, name: str | None) -> None:
        if len(self._names) >= _MOST_KNOWN:
            self._names.clear()
        self._names[found] = name or self._names.get(found)


class Ids:
    """The names of ids in one run."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._labels: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def hide(self, value: Json) -> Json:
        """Copy *value* with names for the ids that are known; *value* itself where there are none."""
        found = _map(value, _FOLDER, self._folder, _FOLDER_HINT)
        return _map(found, _ID, self._label) if self._known else found

    def show(self, value: Json) -> Json:
        """Copy *value* with the ids of today for their names."""
        return _map(value, _LABEL, lambda label: self._ids.get(label, label)) if self._ids else value

    def _folder(self, found: str) -> str:
        return self._labels.get(found) or self._named(found, self._next("folder"))

    def _label(self, found: str) -> str:
        if found not in self._known:
            return found
        if found in self._labels:
            return self._labels[found]
        if ":" in found:
            return "[time]"
        name = self._known.name(found)
        return self._named(found, f"[agent {name}]" if name else self._next("id"))

    def _next(self, kind: str) -> str:
        return f"[{kind} {1 + sum(label.startswith(f'[{kind} ') for label in self._ids)}]"

    def _named(self, found: str, label: str) -> str:
        self._labels[found] = label
        self._ids[label] = found
        return label


def _map(value: Json, pattern: re.Pattern[str], change: Callable[[str], str], hint: str = "") -> Json:
    """Copy *value* with *change* made to what *pattern* finds in its texts; the *hint* is in whatever it finds."""
    if isinstance(value, str):
        return pattern.sub(lambda found: change(found[0]), value) if hint in value else value
    if isinstance(value, (dict, Mapping)):  # a dict is known for one at once
        return {name: _map(item, pattern, change, hint) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_map(item, pattern, change, hint) for item in value]
    return value
