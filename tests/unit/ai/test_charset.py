"""Messages in other characters than UTF-8, in pieces cut anywhere."""

import pytest

from ai.core.charset import Utf8, in_utf8

TEXT = '{"content": "Grüße, Zoë, né"}'
CASES = [
    (TEXT.encode(), "application/json", TEXT),
    (TEXT.encode(), "application/json; charset=ISO-8859-1", TEXT),
    (TEXT.encode("latin-1"), "application/json; charset=iso-8859-1", TEXT),
    (TEXT.encode("cp1252"), 'text/event-stream;charset="windows-1252"', TEXT),
    (TEXT.encode("utf-16"), "application/json", TEXT),
    (TEXT.encode("utf-16-le"), "application/json", TEXT),
    (TEXT.encode("utf-16-be"), "application/json; charset=utf-16", TEXT),
    ('{"x": "Привет"}'.encode("koi8-r"), "application/json; charset=KOI8-R", '{"x": "Привет"}'),
    ('{"x": "日本"}'.encode("shift-jis"), "application/json; charset=Shift_JIS", '{"x": "日本"}'),
    (b"{}", "application/json; charset=no-such-one", "{}"),
    ("é".encode("latin-1"), "text/plain; charset=latin1", "é"),
]


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(("body", "content_type", "text"), CASES)
def test_text_is_read_in_the_characters_it_is_written_in(body: bytes, content_type: str, text: str, step: int) -> None:
    """By the charset that is named, unless it is UTF-8 all the same; UTF-16 also where none is named."""
    reader = Utf8(content_type)
    parts = [reader.feed(body[at : at + step]) for at in range(0, len(body), step)]
    said = b"".join([*parts, reader.end()]).decode()
    assert said.removeprefix("\ufeff") == text
    assert not reader.lost


def test_what_cannot_be_known_is_said() -> None:
    """Bytes that are no UTF-8, with no charset or an unknown one, are told of; they are not guessed."""
    for content_type in ("application/json", "application/json; charset=no-such-one", ""):
        reader = Utf8(content_type)
        reader.feed(TEXT.encode("latin-1"))
        assert reader.lost
        assert in_utf8(TEXT.encode("latin-1"), content_type) is None
    assert in_utf8(TEXT.encode("latin-1"), "text/plain; charset=latin-1") == TEXT.encode()
