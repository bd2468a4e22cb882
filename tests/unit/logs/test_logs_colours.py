"""The colours that a message was written in, for lists of records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.core.record import LogRecord, coloured, record_json
from logs.parsing.text import without_codes

RED, DIM, BACK = "\x1b[31m", "\x1b[2m", "\x1b[0m"


def record(raw: str | None, prefix: str, message: str) -> LogRecord:
    """A record with this original."""
    return LogRecord(1, 0, 1, 0, "line", 20, "app", None, None, None, prefix, message, raw, 1, None, "python")


@pytest.mark.parametrize(
    ("raw", "prefix", "message", "shown"),
    [
        (None, "INFO ", "plain", None),
        (f"{RED}INFO{BACK} plain", "INFO ", "plain", None),
        (f"INFO a {RED}red{BACK} word", "INFO ", "a red word", f"a {RED}red{BACK} word"),
        (f"{DIM}INFO {RED}all of it{BACK}", "INFO ", "all of it", f"{DIM}{RED}all of it"),
        (f"{RED}INFO{BACK} {DIM}two{BACK} {RED}\x1b[2Jlines\nmore{BACK}", "INFO ", "two lines\nmore", f"{DIM}two{BACK} {RED}lines"),
        (f'{{"msg": "{RED}a"}}', "", "a", None),
        (f"INFO {RED}secret{BACK}", "INFO ", "[hidden]", None),
        (f"INFO {RED}{BACK}", "INFO ", "", None),
    ],
)  # fmt: skip
def test_colours_of_the_message_alone(raw: str | None, prefix: str, message: str, shown: str | None) -> None:
    """What is set before the message still holds in it; what is not there as it is has none."""
    found = record(raw, prefix, message)
    assert coloured(found) == shown
    assert record_json(found).get("coloured") == shown


@given(
    st.lists(
        st.sampled_from(["a", "b ", "\n", "\r", RED, DIM, BACK, "\x1b[1;38;5;9m", "\x1b[2K", "\x1b", "é"]), max_size=12
    ),
    st.integers(0, 6),
)
def test_no_letter_is_lost_or_added(parts: list[str], cut: int) -> None:
    """Without the codes it is the message's first line."""
    raw = "".join(parts)
    plain = without_codes(raw)
    shown = coloured(record(raw, plain[:cut], plain[cut:]))
    assert shown is None or without_codes(shown) == plain[cut:].split("\n")[0]


def test_a_long_line_is_looked_at_in_its_beginning() -> None:
    """A list shows the beginning of a message; what it gets of a line of megabytes is no longer than that."""
    shown = coloured(record(f"INFO {RED}" + "x" * 5_000_000, "INFO ", "x" * 5_000_000))
    assert shown is not None
    assert len(shown) < 3000
