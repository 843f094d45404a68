"""The JSON report: what the command's ``--json`` prints, in a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.text import escaped

if TYPE_CHECKING:
    from harness.reports import Report


def render(report: Report) -> str:
    """Write the report's document."""
    return escaped(json.dumps(report.document, ensure_ascii=False, indent=2, default=str)) + "\n"
