"""Every setting that a supported client or framework knows is classified: it may change an answer, or carries it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect

import openai
import pytest
from openai.resources.chat.completions import AsyncCompletions, Completions

from harness.settings import ANSWER, TRANSPORT, WHOLE, answering

EVERY = ANSWER | TRANSPORT | WHOLE


def unclassified(names):
    return sorted(name for name in set(names) - EVERY if not name.startswith("_"))


def test_nothing_is_classified_twice():
    assert not ANSWER & TRANSPORT
    assert not (ANSWER | TRANSPORT) & WHOLE


@pytest.mark.parametrize("method", [Completions.create, AsyncCompletions.create, Completions.parse])
def test_every_parameter_of_a_chat_completion_is_classified(method):
    assert unclassified(set(inspect.signature(method).parameters) - {"self"}) == []


@pytest.mark.parametrize("client", [openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI])
def test_every_setting_of_the_openai_client_is_transport(client):
    names = {name for name in inspect.signature(client.__init__).parameters if not name.startswith("_")}
    assert sorted(names - {"self"} - TRANSPORT) == []


def test_every_key_of_a_classic_llm_config_is_classified():
    pytest.importorskip("autogen", reason="the classic extra is not installed")
    wrapper = importlib.import_module("autogen.oai.client").OpenAIWrapper
    names = set(wrapper.extra_kwargs)
    for attribute in ("openai_kwargs", "aopenai_kwargs"):
        found = getattr(wrapper, attribute, ())
        names |= set(found.fget(wrapper) if isinstance(found, property) else found)
    for entry in _entries():
        names |= set(entry.model_fields)
    assert unclassified(names) == []


def _entries():
    """List the classes whose fields are the keys of one entry of an ``llm_config``, where this AutoGen has them."""
    importlib.import_module("autogen.oai")
    found = []
    for name in ("autogen.llm_config", "autogen.llm_config.entry"):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        found += [cls for cls in vars(module).values() if inspect.isclass(cls) and cls.__name__ == "LLMConfigEntry"]
    every = list(dict.fromkeys(found))
    for cls in every:
        every += [sub for sub in cls.__subclasses__() if sub not in every]
    return every


def test_every_setting_of_an_agentchat_client_is_classified():
    pytest.importorskip("autogen_ext.models.openai", reason="AgentChat is not installed")
    client = importlib.import_module("autogen_ext.models.openai._openai_client")
    config = importlib.import_module("autogen_ext.models.openai.config")
    names = set(client.create_kwargs) | client.openai_init_kwargs | client.aopenai_init_kwargs
    for cls in (config.OpenAIClientConfigurationConfigModel, config.AzureOpenAIClientConfigurationConfigModel):
        names |= set(cls.model_fields)
    for method in ("create", "create_stream"):
        names |= set(inspect.signature(getattr(client.BaseOpenAIChatCompletionClient, method)).parameters)
    assert unclassified(names - {"self"}) == []


def test_how_an_agentchat_client_words_messages_is_part_of_what_is_asked():
    openai_clients = pytest.importorskip("autogen_ext.models.openai", reason="AgentChat is not installed")
    seen = importlib.import_module("harness.adapters.agentchat_models").settings_of

    def asked(**how):
        client = openai_clients.OpenAIChatCompletionClient(model="gpt-4o-mini", api_key="none", **how)
        return answering(seen(client))

    usual = asked()
    assert asked(add_name_prefixes=False, include_name_in_message=True) == usual
    assert asked(add_name_prefixes=True) == {**usual, "add_name_prefixes": True}
    assert asked(include_name_in_message=False) == {**usual, "include_name_in_message": False}


def test_every_setting_of_an_ag2_config_is_classified():
    config = pytest.importorskip("ag2.config", reason="AG2 1.x is not installed")
    names = set()
    for name in dir(config):
        try:
            cls = getattr(config, name)
        except ImportError:  # the client of that provider is not installed
            continue
        if inspect.isclass(cls) and name.endswith("Config") and dataclasses.is_dataclass(cls):
            names |= {field.name for field in dataclasses.fields(cls)}
    assert "temperature" in names
    assert unclassified(names) == []


def test_a_setting_nobody_heard_of_may_change_the_answer():
    assert answering({"invented": 1, "timeout": 3}) == {"invented": 1}
