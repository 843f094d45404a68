"""Two agents write a program and run it: the classic AutoGen pair."""

import tempfile

from autogen import AssistantAgent, ChatResult, UserProxyAgent
from autogen.coding import LocalCommandLineCodeExecutor

LLM_CONFIG = {"config_list": [{"model": "gpt-4o-mini"}], "temperature": 0, "cache_seed": None}


def chat() -> ChatResult:
    """Ask for ten Fibonacci numbers; the executor runs what the coder writes and reports back."""
    with tempfile.TemporaryDirectory() as folder:
        coder = AssistantAgent(
            "coder",
            system_message=(
                "You are the coder. Write one Python block a reply; the executor runs it and sends you its output. "
                "Check the output against the task. When it is right, say so and end with TERMINATE."
            ),
            llm_config=LLM_CONFIG,
        )
        executor = UserProxyAgent(
            "executor",
            human_input_mode="NEVER",
            max_consecutive_auto_reply=5,
            is_termination_msg=lambda message: (message.get("content") or "").rstrip().endswith("TERMINATE"),
            code_execution_config={"executor": LocalCommandLineCodeExecutor(timeout=30, work_dir=folder)},
        )
        return executor.initiate_chat(
            coder,
            message="Print the first ten Fibonacci numbers, starting with 0, on one line.",
        )


if __name__ == "__main__":
    chat()
