"""Own prompts of a benchmark, from a file."""

import pytest

from monitor.client.prompts import parse_prompts
from monitor.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"prompt": "a"}\n\n{"text": "b", "name": "mine"}\n', [("file 1", "a"), ("mine", "b")]),
        ("one\nline\n---\ntwo\n", [("file 1", "one\nline"), ("file 2", "two")]),
        ("just a text -- with --- inside", [("file 1", "just a text -- with --- inside")]),
    ],
    ids=["json lines", "texts", "one text"],
)
def test_a_file_gives_its_prompts(text: str, found: list[tuple[str, str]]) -> None:
    """JSON lines with a name of their own or the file's; texts between lines of dashes; else one text."""
    assert [(p["name"], p["text"]) for p in parse_prompts(text, "file")] == found


@pytest.mark.parametrize("text", ["", "\n---\n", '{"other": 1}', "[]", "12"])
def test_a_file_without_a_prompt_is_refused(text: str) -> None:
    """It says how a file of prompts looks."""
    with pytest.raises(ConfigError) as refused:
        parse_prompts(text, "file")
    assert "prompt" in refused.value.hint
