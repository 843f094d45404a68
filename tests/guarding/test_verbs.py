"""``harness trace --guard`` and ``harness stop``, as a person types them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli import execute
from harness.errors import Exit
from harness.store import open_store

pytest.importorskip("autogen", reason="the classic extra is not installed")
ROOT = Path(__file__).parents[2]
PATIENCE_S = 100

APP = """
import subprocess, sys
import autogen
from tests.server import Reply, ScriptedServer

def main():
    pause = float(sys.argv[1])
    with ScriptedServer(lambda r: Reply(text=f"Point {len(r['messages'])}?", delay_s=pause)) as server:
        entry = {"model": "gpt-4o-mini", "api_key": "k", "base_url": server.base_url}
        ann, bob = (autogen.AssistantAgent(n, llm_config={"config_list": [entry], "cache_seed": None}) for n in "ab")
        result = ann.initiate_chat(bob, message="Go.", silent=True, max_turns=1000)
        print("said", len(result.chat_history), "asked", len(server.log), flush=True)

if "child" in sys.argv:
    subprocess.run([sys.executable, sys.argv[0], sys.argv[1]], check=True)
else:
    main()
"""


def harness(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start the command."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HARNESS_STORE": str(folder / "store")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--guard", "app.py", "0"], "said 31 asked 30"),
        (["--guard", "max_model_calls=4,checks=B", "app.py", "0"], "said 5 asked 4"),
        (["--guard=max_model_calls=6", "app.py", "0", "child"], "said 7 asked 6"),
    ],
)
def test_a_program_and_its_children_are_guarded_and_a_judge_says_after_which_message(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    out, err = harness(tmp_path, "trace", *words).communicate(timeout=PATIENCE_S)
    assert out.splitlines()[-1] == said
    assert "was reached" in err
    (run,) = open_store(tmp_path / "store").runs()
    assert run.ending == "stopped"
    asked = int(said.rsplit(maxsplit=1)[-1])
    assert run.model_calls == asked
    assert execute(["check", "--select", "B207", "--store", str(tmp_path / "store")]) == Exit.FINDINGS
    assert f"stopped-by-guard  after message {asked + 1} of {asked + 1}\n" in capsys.readouterr().out


def test_a_run_is_stopped_by_its_id_and_only_while_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    program = harness(tmp_path, "trace", "app.py", "0.05")
    store = open_store(tmp_path / "store")
    until = time.monotonic() + PATIENCE_S
    while not (runs := store.runs() if store.path.exists() else []):
        assert time.monotonic() < until
    out, err = harness(tmp_path, "stop", runs[0].run_id, "--wait", "60").communicate(timeout=PATIENCE_S)
    assert "was stopped" in err
    out, _ = program.communicate(timeout=PATIENCE_S)
    assert out.startswith("said")
    assert store.run(runs[0].run_id).summary.ending == "stopped"
    again = harness(tmp_path, "stop", runs[0].run_id)
    _, err = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 2
    assert "is not running: it is finished" in err
