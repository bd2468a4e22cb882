"""Colours that a program wrote for a terminal: parts of a text with words for our own classes, and nothing else of it."""

from typing import Any

from logs.parsing.text import without_codes
from tests.doubles.node import run_script

ESC = "\x1b"
CASES = [
    ("plain", [["plain", ""]]),
    ("", []),
    (f"{ESC}[31mred{ESC}[0m plain", [["red", "ink-red"], [" plain", ""]]),
    (f"{ESC}[1;4;32mgood{ESC}[22m less{ESC}[m end", [["good", "ink-green bold underline"], [" less", "ink-green underline"], [" end", ""]]),
    (f"{ESC}[97;41m!{ESC}[39m.{ESC}[49m", [["!", "ink-white paper-red"], [".", "paper-red"]]),
    (f"{ESC}[38;5;196ma{ESC}[38;5;240mb{ESC}[38;2;20;20;250mc{ESC}[38:2::0:200:0md", [["a", "ink-red"], ["b", "ink-black"], ["c", "ink-blue"], ["d", "ink-green"]]),
    (f"a{ESC}[2K{ESC}[1Gb {ESC}]8;;http://x{ESC}\\link{ESC}]8;;{ESC}\\", [["ab link", ""]]),
    (f"{ESC}[31", [[f"{ESC}[31", ""]]),
    (f"{ESC}[999;38mx{ESC}[38;5mz", [["xz", ""]]),
    (f"{ESC}[35mtwo\nlines{ESC}[0m\n", [["two\nlines", "ink-magenta"], ["\n", ""]]),
    ("<b style='x'>&amp;</b>", [["<b style='x'>&amp;</b>", ""]]),
]  # fmt: skip


def parts_of(texts: list[str]) -> Any:
    """The parts of each text."""
    return run_script(
        'const { colouredParts } = await load("logs/colours"); return given[0].map(colouredParts)', [texts]
    )


def test_codes_become_words() -> None:
    """Each look is a word of ours; other codes, and halves of some, change nothing."""
    assert parts_of([text for text, _ in CASES]) == [parts for _, parts in CASES]


def test_the_text_is_the_one_that_was_searched() -> None:
    """The parts together are the text as the search knows it."""
    texts = [text for text, _ in CASES if not text.endswith("[31")]
    assert ["".join(part for part, _ in parts) for parts in parts_of(texts)] == [without_codes(text) for text in texts]
