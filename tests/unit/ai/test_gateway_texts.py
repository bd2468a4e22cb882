"""The text of what passes the gateway: of requests and answers in every form, cut anywhere, and never with half a word at its end."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.gateway.apis.texts import AnswerText, prompt_text, shortened

PIECES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=12)


def _events(pieces: list[str], end: str) -> bytes:
    told = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": piece}}]} for piece in pieces]
    last: list[Any] = [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"completion_tokens": 3}},
    ]
    lines = [
        f": waiting{end}{end}",
        *(f"data: {json.dumps(one, ensure_ascii=False)}{end}{end}" for one in [*told, *last]),
    ]
    return ("".join(lines) + f"data: [DONE]{end}{end}").encode()


def _lines(pieces: list[str], _: str) -> bytes:
    told = [{"message": {"role": "assistant", "content": piece}, "done": False} for piece in pieces]
    return "".join(
        json.dumps(one, ensure_ascii=False) + "\n" for one in [*told, {"message": {"content": ""}, "done": True}]
    ).encode()


def _whole(pieces: list[str], _: str) -> bytes:
    return json.dumps(
        {"choices": [{"index": 0, "message": {"content": "".join(pieces)}}]}, indent=1, ensure_ascii=False
    ).encode()


@pytest.mark.parametrize("form", [_events, _lines, _whole])
@given(pieces=PIECES, end=st.sampled_from(["\n", "\r\n"]), cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_the_text_of_an_answer_is_what_was_said(form: Any, pieces: list[str], end: str, cuts: list[int]) -> None:
    """As events with either line end and comments, as lines, and as a whole, however the network cuts it."""
    body = form(pieces, end)
    answer = AnswerText(10_000)
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    for begin, stop in itertools.pairwise(places):
        answer.feed(body[begin:stop])
    assert answer.text() == ("".join(pieces), False)


def test_thoughts_and_calls_of_tools_are_told_apart() -> None:
    """Thoughts stand between tags; a call that came in pieces is one; other choices are left out."""
    deltas: list[dict[str, Any]] = [
        {"reasoning": "Let me"}, {"reasoning": " see."}, {"content": "Well"}, {"content": None},
        {"tool_calls": [{"index": 0, "function": {"name": "look", "arguments": '{"a"'}}]}, {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]  # fmt: skip
    answer = AnswerText(1000)
    for delta in deltas:
        answer.feed(f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n".encode())
    answer.feed(b'data: {"choices": [{"index": 1, "delta": {"content": "another"}}]}\n\n')
    assert answer.text() == ('<think>Let me see.</think>\nWell\n\ncalls look {"a": 1}', False)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}, "system: Be brief.\n\nuser: Why?"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:…"}}]}]},
         "user: What is this?\n[image_url]"),
        ({"prompt": "Once", "system": "Tell."}, "system: Tell.\n\nOnce"), ({"input": ["one", "two"]}, "one\ntwo"),
        ({"prompt": [1, 2, 3]}, "[3 tokens]"), ({"messages": "no list"}, ""),
    ],
)  # fmt: skip
def test_the_text_of_a_request_is_what_a_person_would_read(body: dict[str, Any], text: str) -> None:
    """Of both APIs, and of parts; what is no text is named."""
    assert prompt_text(json.dumps(body).encode(), 1000) == (text, False)


@given(words=st.lists(st.text("abc", min_size=1, max_size=9), min_size=2, max_size=20), limit=st.integers(1, 80))
def test_what_is_cut_ends_with_a_whole_word(words: list[str], limit: int) -> None:
    """The half of a secret would not be known as one."""
    text = " ".join(words)
    kept, cut = shortened(text, limit)
    assert cut == (len(text) > limit)
    assert len(kept) <= limit
    assert kept.split() == words[: len(kept.split())]


ODD = st.sampled_from(
    [
        rb'{"prompt": "\ud83d"}',
        rb'{"response": "a\ud83d"}' + b"\n",
        b"data: []\n\n",
        b'{"messages": [1, {"content": 5}]}',
    ]
)


@given(st.binary(max_size=300) | ODD)
def test_any_bytes_can_be_read(body: bytes) -> None:
    """Nothing that a program or an engine sends breaks it."""
    answer = AnswerText(100)
    answer.feed(body)
    for text, _ in (prompt_text(body, 100), answer.text()):
        text.encode()
