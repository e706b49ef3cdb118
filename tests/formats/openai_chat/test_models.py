"""What the names of models say."""

import pytest

from omniroute.formats.openai_chat.models import traits


@pytest.mark.parametrize(
    ("model", "reasons", "turns_off"),
    [
        ("o1", True, False),
        ("o3-mini-2025-01-31", True, False),
        ("openai/o4-mini", True, False),
        ("gpt-5", True, False),
        ("GPT-5-Codex", True, False),
        ("gpt-5.1", True, True),
        ("gpt-5.2-pro", True, True),
        ("gpt-5-chat-latest", False, False),
        ("gpt-5.1-chat-latest", False, False),
        ("gpt-4o-mini", False, False),
        ("gpt-3.5-turbo", False, False),
        ("chatgpt-4o-latest", False, False),
        ("gpt-oss-120b", None, False),
        ("deepseek-reasoner", None, False),
        ("o1ympic", None, False),
        ("", None, False),
    ],
)
def test_traits_by_name(model: str, reasons: bool | None, turns_off: bool) -> None:
    assert traits(model) == (reasons, turns_off)
