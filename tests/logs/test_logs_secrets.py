"""Secrets in log lines are hidden, wherever they stand in a block."""

from logs.secrets import LineMask
from monitor.masking import Masker

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
