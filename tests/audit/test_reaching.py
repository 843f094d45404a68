"""Which lines of a program make or begin something, and were not reached."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.audit.reaching import BEGIN, MAKE, unreached

_PROGRAM = """
import subprocess
from autogen import AssistantAgent as Helper
from autogen_agentchat.teams import RoundRobinGroupChat


class Own(Helper):
    pass


def later():
    one = Own("one")
    one.initiate_chat(one)


async def begun():
    team = RoundRobinGroupChat([])
    await team.run(task="x")


def needs(thing):
    thing.run(message="x")


Helper("a")
subprocess.run(["ls"])
Agent("no framework's")
"""


def _told(reached: set[int], path: Path) -> list[tuple[int, str, str | None]]:
    return [(each.line, each.what, each.function) for each in unreached(str(path), reached)]


def test_lines_are_told_by_what_they_call_and_the_function_that_can_be_audited(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text(_PROGRAM)
    assert _told({17}, path) == [
        (12, "Own", "later"),
        (13, "one.initiate_chat", "later"),
        (18, "team.run", None),
        (22, "thing.run", None),
        (25, "Helper", None),
    ]


def test_an_agent_is_one_only_where_its_framework_is_used(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_text("from ag2 import Agent\nAgent('a').ask('x')\n")
    assert _told(set(), path) == [(2, "ask", None), (2, "Agent", None)]
    path.write_text("from elsewhere import Agent\nAgent('a').ask('x')\n")
    assert _told(set(), path) == []


def test_a_file_that_is_no_python_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\x00\n")
    assert _told(set(), tmp_path / "broken.py") == _told(set(), tmp_path / "null.py") == []
    assert _told(set(), tmp_path / "gone.py") == []


@given(st.lists(st.sampled_from(sorted(MAKE | BEGIN)), max_size=8), st.data())
def test_each_line_is_either_reached_or_told(names: list[str], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.py"
        path.write_text("".join(f"x.{name}(\n    1,\n)\n" for name in names))
        lines = [3 * place + 1 for place in range(len(names))]
        reached = set(data.draw(st.lists(st.sampled_from(lines), unique=True))) if lines else set()
        told = {line for line, _, _ in _told(reached, path)}
        assert told | reached == set(lines)
        assert not told & reached
