"""What all tests share: their examples, how much the collector looks at, and whom an HTTP client would trust."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from hypothesis import settings

from tests.classic import settled_once

# Properties are tried on the same examples every time, however slow the machine is.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

# Clients of models read this file whenever one is made, in every process that tests start: with 140 authorities that
# takes longer than most tests' conversations. Nobody here speaks TLS.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("nobody.pem"))
# Nor does anybody add to pydantic, which would look through all that is installed whenever a process imports it.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"


def pytest_collection_finish() -> None:
    """Keep what was imported out of every later collection: a test that collects what its framework left open would
    look at all the frameworks each time."""
    settled_once()
    gc.collect()
    gc.freeze()
