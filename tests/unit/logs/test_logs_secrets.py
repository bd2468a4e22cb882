"""Secrets in log lines are hidden, wherever they stand in a block."""

import pytest

from logs.redaction.line_mask import LineMask, suspect_of
from logs.redaction.masker import Masker

KEY = "-----BEGIN PRIVATE KEY-----\nMIIabc\nMIIdef\n-----END PRIVATE KEY-----"


def test_each_line_is_masked_and_their_number_stays() -> None:
    """Secrets on any line go, other lines stay as they are."""
    mask = LineMask(Masker().mask_text)
    text = "one\npassword=hunter2x9\nthree\n"
    assert mask(text).split("\n")[::2] == ["one", "three"]
    assert "hunter2x9" not in mask(text)
    assert mask("nothing here\nat all\n") == "nothing here\nat all\n"


def test_a_private_key_is_hidden_over_all_its_lines() -> None:
    """No line of a key is left."""
    masked = LineMask(Masker().mask_text)(f"before\n{KEY}\nafter")
    assert "MII" not in masked
    assert masked.count("\n") == 5
    assert masked.startswith("before\n")
    assert masked.endswith("\nafter")


def test_only_suspected_lines_are_asked_for() -> None:
    """With an expression for suspects, the other lines are not looked at."""
    asked: list[str] = []

    def hide(line: str) -> str:
        asked.append(line)
        return line.replace("hunter2", "***")

    mask = LineMask(hide, "(?i)password")
    assert mask("ä one\nPassword hunter2 password\nthree\n") == "ä one\nPassword *** password\nthree\n"
    assert asked == ["Password hunter2 password"]
    text = "nothing\n"
    assert mask(text) is text


@pytest.mark.parametrize("extra", [(), (r"badge (?P<secret>\d+)", r"Zeus-\w+")])
def test_a_maskers_method_brings_its_own_suspects(extra: tuple[str, ...]) -> None:
    """Masking a block with the masker's own expression gives what masking each line gives, extra patterns included."""
    masker = Masker(extra)
    text = "plain\nbadge 1234\nof Zeus-77\ntoken = abcd1234efgh5678\nhttp://a:b@c/\nBearer\u00a0abc12345xyz67890abcd\n"
    mask = LineMask(masker.mask_text, suspect_of(masker.mask_text))
    assert mask(text) == "\n".join(masker.mask_text(line) for line in text.split("\n"))
    assert suspect_of(str.strip) is None
