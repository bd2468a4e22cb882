"""The parser of event streams: every event comes through, however its bytes are cut."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.backends.openai.sse import SseParser, messages_of


def lines_of(events: Iterable[str], newline: str) -> bytes:
    """Events as a server with this line ending writes them."""
    made = "".join(
        newline.join([": a comment", "event: x", *(f"data: {line}" for line in text.split("\n"))]) + newline * 2
        for text in events
    )
    return made.encode()


TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1, max_size=30), max_size=5
)


@given(
    TEXTS,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 400), max_size=10),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_events_come_through_however_the_bytes_are_cut(
    texts: list[str], newline: str, cuts: list[int], bom: bytes
) -> None:
    """Any line ending, any cut, even within a character: the same events."""
    data = bom + lines_of(texts, newline)
    parser = SseParser()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [event for begin, end in pairwise(places) for event in parser.feed(data[begin:end])]
    assert found == [("x", text) for text in texts]


def test_an_event_with_empty_data_is_none() -> None:
    """Some servers keep a connection alive with one."""
    assert SseParser().feed(b"data:\n\ndata: \n\ndata: x\n\n") == [("", "x")]


@given(st.binary(max_size=500))
def test_the_parser_takes_any_bytes(data: bytes) -> None:
    """Noise makes events or none, never an exception."""
    parser = SseParser()
    parser.feed(data)
    parser.end()


def test_objects_one_behind_the_other_are_all_taken() -> None:
    """A server that forgets the end of an event loses no word; what is no object behind the first is an error."""
    for between in ("", " ", "\n", ", "):
        assert messages_of(f'{{"a": 1}}{between}{{"b": [2]}}') == [{"a": 1}, {"b": [2]}]
    for broken in ('{"a": 1}{"b"', '{"a": 1} nonsense', "nonsense"):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever of its kind
            messages_of(broken)
