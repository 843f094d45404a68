"""An assistant that uses tools, and recovers from one that fails."""

from typing import Annotated

from autogen import AssistantAgent, ChatResult, UserProxyAgent, register_function

LLM_CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}
EUROS = {"EUR": 1.0, "USD": 0.8, "GBP": 1.25}


def exchange_rate(
    base: Annotated[str, "Three-letter code of the currency one has"],
    quote: Annotated[str, "Three-letter code of the currency one wants"],
) -> float:
    """Look up how much of *quote* one unit of *base* buys."""
    for code in (base, quote):
        if code not in EUROS:
            raise ValueError(f"{code} is not a known currency; known are {', '.join(EUROS)}")
    return EUROS[base] / EUROS[quote]


def convert(
    amount: Annotated[float, "How much one has"],
    rate: Annotated[float, "What one unit of it buys"],
) -> str:
    """Multiply *amount* by *rate* and round to cents."""
    return f"{amount * rate:.2f}"


def chat() -> ChatResult:
    """Ask what a price in pounds is in dollars."""
    assistant = AssistantAgent(
        "assistant",
        system_message="You are the assistant. Use the tools, never guess a rate. End your answer with TERMINATE.",
        llm_config=LLM_CONFIG,
    )
    user = UserProxyAgent(
        "user",
        human_input_mode="NEVER",
        max_consecutive_auto_reply=6,
        is_termination_msg=lambda message: "TERMINATE" in (message.get("content") or ""),
        code_execution_config=False,
    )
    register_function(
        exchange_rate,
        caller=assistant,
        executor=user,
        name="exchange_rate",
        description="Look up how much of one currency a unit of another buys.",
    )
    register_function(
        convert,
        caller=assistant,
        executor=user,
        name="convert",
        description="Multiply an amount by a rate.",
    )
    return user.initiate_chat(assistant, message="A book costs 18.40 British pounds. What is that in US dollars?")


if __name__ == "__main__":
    chat()
