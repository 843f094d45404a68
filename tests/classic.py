"""Make classic agents cheap to make, without changing what they are."""

from __future__ import annotations

import sys


def schema_once() -> None:
    """Have AutoGen work out the JSON schema of its own settings once, where it is imported.

    AutoGen 0.9 does so for every agent that is made, only to read the names in it, which is most of making one.
    """
    settings = getattr(sys.modules.get("autogen"), "LLMConfig", None)
    model = getattr(settings, "_get_base_model_class", lambda: None)()
    if model is not None:
        schema = model.model_json_schema()
        model.model_json_schema = lambda: schema
