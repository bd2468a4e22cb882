"""A file that grows is parsed again and again while its last record is open: what is learned of it is that of its lines, each seen once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logs.core.timestamps import TimeReader
from logs.parsing.formats import Registry
from logs.parsing.parser import BlockParser, ReadState, Undated
from tests.examples import examples

_LINES = (
    " 7 tests ran",
    "all is well",
    " 11 files changed, 31 insertions(+)",
    "3 of 9 done",
    "[7] started",
    "W 5 left",
    "12:30 and counting",
    "2026-03-01 10:00:00,000 INFO seq: n=1",
    "",
)


def parsed(blocks: list[bytes]) -> tuple[BlockParser, list[str]]:
    """A parser that read these blocks of a file's beginning, one after the other, and the messages of the last."""
    parser = BlockParser(Registry(), TimeReader(lambda: 0), str)
    rows = [parser.parse(block, 0, ReadState(), Undated(0, "ingest")) for block in blocks]
    return parser, [message for row in rows[-1:] for message in row.message]


@given(st.lists(st.sampled_from(_LINES), min_size=1, max_size=6), st.integers(2, 5))
@settings(max_examples=examples(200), deadline=None)
def test_what_is_read_again_is_learned_once(lines: list[str], times: int) -> None:
    """A block that is parsed several times is read as one that is parsed once."""
    block = "".join(f"{line}\n" for line in lines).encode()
    once, again = parsed([block]), parsed([block] * times)
    assert again[0].shape == once[0].shape
    assert again[1] == once[1]


@pytest.mark.parametrize("number", [1, 2, 5])
def test_lines_that_come_one_by_one_are_each_learned(number: int) -> None:
    """Layouts of three lines are found also where these come one at a time, and each is shown before the next."""
    lines = [f"unit-7 | 2026.03.01 | 10h00m{n:02d} | WRN | disk {n}\n".encode() for n in range(6)]
    grown = [b"".join(lines[: n + 1]) for n in range(len(lines)) for _ in range(number)]
    assert parsed(grown)[0].shape == parsed([b"".join(lines)])[0].shape
