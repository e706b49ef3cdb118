"""Quirks that the formats understand: names and meanings, told in one place.

A quirk is a difference that several providers share. It stands in a row of the registry or in the
configuration, and says how a service departs from its format. The registry, which knows further
ones, takes these from here; this module imports nothing, so that reading the registry stays cheap.
"""

from collections.abc import Mapping
from typing import Final

OPENAI_ITSELF: Final = "openai-itself"
NINE_CHARACTER_IDS: Final = "nine-character-ids"
SYSTEM_TO_USER: Final = "system-to-user"
THINK_TAGS: Final = "think-tags"
SANITISE: Final = "sanitise"

CHAT_QUIRKS: Final[Mapping[str, str]] = {
    OPENAI_ITSELF: "takes what only OpenAI's own service knows: developer messages, store, "
    "metadata, prompt_cache_key, service_tier, custom tools, allowed_tools",
    SYSTEM_TO_USER: "knows no system role: instructions stand before the first user message",
    "max-completion-tokens": "takes max_completion_tokens for every model",
    "max-tokens": "takes max_tokens for every model",
    "no-stream-options": "refuses stream_options",
    "no-reasoning-effort": "refuses reasoning_effort",
    "no-reasoning-history": "refuses the reasoning of earlier turns",
    "reasoning-required": "wants reasoning_content in every turn that calls tools, even empty",
    "reasoning-details": "takes reasoning_details back, with their signatures",
    "thinking-switch": 'reasoning goes on and off by "thinking": {"type": …}',
    "enable-thinking": "reasoning goes on and off by enable_thinking, with a thinking_budget",
    "json-object-only": "knows json_object but no json_schema",
    "cache-control": "takes Claude's cache_control on parts",
    "top-k": "takes top_k",
    NINE_CHARACTER_IDS: "ids of tool calls are nine letters or digits",
}
"""What the encoder of OpenAI chat requests knows."""

ANSWER_QUIRKS: Final[Mapping[str, str]] = {
    THINK_TAGS: "models write their reasoning between <think> tags in the text",
    SANITISE: "members of an answer that OpenAI's chat dialect does not know are taken out",
}
"""What is done to answers."""
