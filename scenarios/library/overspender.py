"""An analyst that reads a whole archive again for every question, with the dear model where the cheap one would do."""

from autogen import AssistantAgent, ChatResult

CHEAP = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}
DEAR = {"config_list": [{"model": "gpt-4o"}], "temperature": 0, "cache_seed": None}


def chat() -> ChatResult:
    """Ask about a year of reports; every answer is paid for by the page."""
    director = AssistantAgent(
        "director",
        system_message="You are the director. Ask one question at a time. When you know enough, end with TERMINATE.",
        llm_config=CHEAP,
        max_consecutive_auto_reply=6,
    )
    analyst = AssistantAgent(
        "analyst",
        system_message="You are the analyst. Read all twelve monthly reports before each answer.",
        llm_config=DEAR,
        is_termination_msg=lambda message: (message.get("content") or "").rstrip().endswith("TERMINATE"),
    )
    return director.initiate_chat(analyst, message="In which month did we sell most?")


if __name__ == "__main__":
    chat()
