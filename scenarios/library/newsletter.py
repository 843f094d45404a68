"""Two chats in a row, the second with a chat nested inside it."""

from autogen import AssistantAgent, ChatResult, UserProxyAgent

LLM_CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}


def chat() -> ChatResult:
    """Collect facts, then write a paragraph from them that a critic has seen before the editor does."""
    editor = UserProxyAgent("editor", human_input_mode="NEVER", code_execution_config=False)
    researcher = AssistantAgent(
        "researcher",
        system_message="You are the researcher. Answer with three short facts, one a line.",
        llm_config=LLM_CONFIG,
    )
    writer = AssistantAgent(
        "writer",
        system_message="You are the writer. Turn facts into one paragraph of at most fifty words.",
        llm_config=LLM_CONFIG,
    )
    critic = AssistantAgent(
        "critic",
        system_message="You are the critic. Name the one thing that would improve the text most.",
        llm_config=LLM_CONFIG,
    )
    writer.register_nested_chats(
        [
            {
                "sender": writer,
                "recipient": critic,
                "summary_method": "last_msg",
                "max_turns": 1,
            },
            {
                "sender": critic,
                "recipient": writer,
                "message": "Write the paragraph now, with the advice in mind.",
                "summary_method": "last_msg",
                "max_turns": 1,
            },
        ],
        trigger=editor,
    )
    return editor.initiate_chats(
        [
            {
                "recipient": researcher,
                "message": "What should our readers know about tardigrades?",
                "summary_method": "last_msg",
                "max_turns": 1,
            },
            {
                "recipient": writer,
                "message": "Write about tardigrades for our newsletter.",
                "summary_method": "last_msg",
                "max_turns": 1,
            },
        ]
    )


if __name__ == "__main__":
    chat()
