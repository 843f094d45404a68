"""A group chat whose speakers a model picks: the user asks, the coder writes, the reviewer objects."""

from autogen import AssistantAgent, ChatResult, GroupChat, GroupChatManager, UserProxyAgent

LLM_CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}


def chat() -> ChatResult:
    """Let a coder and a reviewer agree on a function before the user gets it."""
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="Go on.")
    coder = AssistantAgent(
        "coder",
        description="Writes and mends the code.",
        system_message="You are the coder. Write short Python functions and mend what the reviewer finds.",
        llm_config=LLM_CONFIG,
    )
    reviewer = AssistantAgent(
        "reviewer",
        description="Reads the code and says what is wrong with it, or approves it.",
        system_message=(
            "You are the reviewer. Name one fault of the code at a time. "
            "When you find none, approve it and end with TERMINATE."
        ),
        llm_config=LLM_CONFIG,
    )
    group = GroupChat([user, coder, reviewer], messages=[], max_round=10, speaker_selection_method="auto")
    manager = GroupChatManager(
        group,
        llm_config=LLM_CONFIG,
        is_termination_msg=lambda message: (message.get("content") or "").rstrip().endswith("TERMINATE"),
    )
    return user.initiate_chat(manager, message="We need a Python function that gives the median of a list of numbers.")


if __name__ == "__main__":
    chat()
