"""The store prints nothing of its own, however it is run."""

from __future__ import annotations

import subprocess
import sys


def test_no_bar_of_progress_is_drawn_into_what_a_command_prints(tmp_path):
    code = (
        "import sys; from pathlib import Path; from harness.store.schema import connect\n"
        "con = connect(Path(sys.argv[1]))\n"
        "print(con.execute(\"SELECT current_setting('enable_progress_bar')\").fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False\n"
