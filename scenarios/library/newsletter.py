"""Two chats in a row; inside the second, the editor asks a critic in a nested chat before each answer."""

from autogen import AssistantAgent, ChatResult, UserProxyAgent

LLM_CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}


def chat() -> list[ChatResult]:
    """Collect facts, then have a paragraph written from them until the critic approves."""
    editor = UserProxyAgent(
        "editor", human_input_mode="NEVER", max_consecutive_auto_reply=5, code_execution_config=False
    )
    researcher = AssistantAgent(
        "researcher",
        system_message="You are the researcher. Answer with three short facts, one a line.",
        llm_config=LLM_CONFIG,
    )
    writer = AssistantAgent(
        "writer",
        system_message="You are the writer. Turn facts into one paragraph of at most fifty words.",
        llm_config=LLM_CONFIG,
        is_termination_msg=lambda message: (message.get("content") or "").rstrip().endswith("APPROVED"),
    )
    critic = AssistantAgent(
        "critic",
        system_message="You are the critic. Name the one thing that would improve the text most, or say APPROVED.",
        llm_config=LLM_CONFIG,
    )
    editor.register_nested_chats(
        [{"recipient": critic, "summary_method": "last_msg", "max_turns": 1}],
        trigger=writer,
    )
    results: list[ChatResult] = editor.initiate_chats(
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
            },
        ]
    )
    return results


if __name__ == "__main__":
    chat()
