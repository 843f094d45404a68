"""Make classic agents cheap to make, without changing what they are."""

from __future__ import annotations

import sys


def settled_once() -> None:
    """Have AutoGen work out once what settings there are, where it is imported.

    From 0.9 on it writes the JSON schema of its own settings and inspects OpenAI's clients for every agent that is
    made, only to read the names in them, which is nearly all of making one.
    """
    settings = getattr(sys.modules.get("autogen"), "LLMConfig", None)
    model = getattr(settings, "_get_base_model_class", lambda: None)()
    if model is not None:
        schema = model.model_json_schema()
        model.model_json_schema = lambda: schema
    wrapper = getattr(sys.modules.get("autogen.oai.client"), "OpenAIWrapper", None)
    asked = getattr(wrapper, "openai_kwargs", None)
    if isinstance(asked, property):
        names = frozenset(asked.__get__(wrapper))
        wrapper.openai_kwargs = property(lambda _: set(names))
