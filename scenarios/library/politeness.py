"""Two agents that agree after two messages and go on thanking each other: nobody may end the chat."""

from autogen import AssistantAgent, ChatResult

LLM_CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}


def chat() -> ChatResult:
    """Fix a meeting; only a limit of turns stops the thanks that follow."""
    ada = AssistantAgent(
        "ada",
        system_message="You are Ada. Be polite and always answer.",
        llm_config=LLM_CONFIG,
        is_termination_msg=lambda _: False,
    )
    ben = AssistantAgent(
        "ben",
        system_message="You are Ben. Be polite and always answer.",
        llm_config=LLM_CONFIG,
        is_termination_msg=lambda _: False,
    )
    return ada.initiate_chat(ben, message="Shall we meet on Tuesday at ten?", max_turns=6)


if __name__ == "__main__":
    chat()
