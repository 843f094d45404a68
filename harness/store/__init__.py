"""Keep runs: the journals of many processes, and the DuckDB file that takes them in.

The only room that knows DuckDB, which is loaded by the first question asked.
"""

from __future__ import annotations

from harness.store.opened import Answer, Store, open_store

__all__ = ["Answer", "Store", "open_store"]
