"""Which lines of a program make agents or begin conversations, and were not reached, so that nothing is said of them.

The program's source is read for that, and nothing of it is run. What stands under a name of its own making (a function
that is handed in, a class of another module) is not seen.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAKE: Final = frozenset({
    "ConversableAgent", "AssistantAgent", "UserProxyAgent", "GroupChatManager", "CodeExecutorAgent",
    "SocietyOfMindAgent", "RoundRobinGroupChat", "SelectorGroupChat", "Swarm", "MagenticOneGroupChat", "MagenticOne",
    "GraphFlow",
})  # fmt: skip
"""The classes whose instances are judged; where ag2 is used, its ``Agent`` as well, and ``ask``."""
BEGIN: Final = frozenset({
    "initiate_chat", "a_initiate_chat", "initiate_chats", "a_initiate_chats", "initiate_group_chat",
    "a_initiate_group_chat", "run_group_chat", "a_run_group_chat", "initiate_swarm_chat", "a_initiate_swarm_chat",
})  # fmt: skip
"""The functions that begin a conversation."""
_RUN: Final[Mapping[str, Collection[str]]] = {"run": ("task", "message"), "run_stream": ("task",)}
"""Names that other objects have as well: they begin a conversation where one of these is said."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """A line that was not reached: *what* is called there, in the *function* that can be audited by itself, if any.

    That is one of the file's own that needs nothing, and was not begun.
    """

    line: int
    what: str
    function: str | None = None


def unreached(file: str, reached: Collection[int], source: str | None = None) -> list[Unreached]:
    """List what *file* would make or begin in lines that are not among *reached*, in the order of its lines.

    *source* is its Python, where that is not what the file holds. Empty for a file that cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(Path(file).read_bytes() if source is None else source)
    except (OSError, SyntaxError, ValueError):
        return []
    names = _names(tree)
    found = []
    for call, function in _calls(tree, None):
        what = _named(call, names)
        if what is not None and not _within(call, reached):
            alone = function is not None and not _within(function, reached)
            name = function.name if function is not None and alone else None
            found.append(Unreached(line=call.lineno, what=what, function=name))
    return sorted(found, key=lambda each: each.line)


def _names(tree: ast.Module) -> set[str]:
    """Give the names of the file that make or begin: those above, what imports call them, and classes made of them."""
    nodes = list(ast.walk(tree))
    modules = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {(node.module or "").partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    names = {*MAKE, *BEGIN} | ({"Agent", "ask"} if "ag2" in modules else set())
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname and alias.name in names}
        elif isinstance(node, ast.ClassDef) and any(_last(base) in names for base in node.bases):
            names.add(node.name)
    return names


def _within(node: ast.stmt | ast.expr, reached: Collection[int]) -> bool:
    return any(node.lineno <= line <= (node.end_lineno or 0) for line in reached)


def _calls(node: ast.AST, function: Function | None) -> Iterator[tuple[ast.Call, Function | None]]:
    """Yield the calls below *node*, each with the function of the file that it lies in, if that needs nothing."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, function
        inner = function
        if isinstance(node, ast.Module) and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = child if _needs_nothing(child.args) else None
        yield from _calls(child, inner)


def _needs_nothing(given: ast.arguments) -> bool:
    needed = len(given.posonlyargs) + len(given.args) - len(given.defaults)
    return needed == 0 and None not in given.kw_defaults


def _named(call: ast.Call, names: Collection[str]) -> str | None:
    """Name what *call* makes or begins, as the file does."""
    name = _last(call.func)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    whole = f"{owner.id}.{name}" if isinstance(owner, ast.Name) else name
    if name in names:
        return whole if name in BEGIN or name == "ask" else name
    said = {keyword.arg for keyword in call.keywords}
    wanted = _RUN.get(name) if owner is not None else None
    return whole if wanted and said & set(wanted) else None


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
