"""DuckDB says nothing on stdout: that is data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ASKS = """
import pathlib, sys
from harness.store import schema
con = schema.connect(pathlib.Path(sys.argv[1]))
print(con.execute("SELECT current_setting('enable_progress_bar')").fetchone()[0])
"""


def test_no_progress_is_drawn_where_a_process_has_no_file_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ASKS, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
