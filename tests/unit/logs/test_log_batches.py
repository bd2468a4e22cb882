"""Queries that are tried on records that came together find what they find in each of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs import LogFilter, LogRecord
from logs.index.batches import Batch, LiveQuery

WORDS = (
    "refused",
    "Refused",
    "REFUSED",
    "time=12ms",
    "user=ada",
    "istanbul",
    "İstanbul",
    "out of memory",
    "kelvin",
    "\u212aelvin",
    "a\nb",
    '{"x"',
)
QUERIES = (
    "refused", "-refused", '"out of memory"', "case:REFUSED", "/ref.sed/", "/(?i)REF(used|lected)/", "/out|time/", "user=ada", "user:AD", "user!=ada",
    "time>5ms", "source:app", "source=app.log", "source:a*", "level>=error refused", "refused OR kelvin", "NOT (refused kelvin)", "logger:db", "istanbul",
    "kelvin", "/k.lvin/", "lines>1", "x=1", "x.y=2", "http.status>=500", "/./", "format:json",
)  # fmt: skip


def record(position: int, message: str, source: str, level: int, fields: str | None) -> LogRecord:
    """One of a file."""
    return LogRecord(
        1, position, 1, 1_000_000, "line", level, source, "db.pool", 1, 2, "12:00 ", message, None, 1, fields, "json"
    )


records = st.lists(
    st.builds(
        record,
        st.integers(0, 1000),
        st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=4).map(" ".join),
        st.sampled_from(["app.log", "worker", "İ"]),
        st.sampled_from([0, 20, 40]),
        st.sampled_from([None, '{"x":1,"user":"Ada"}', '{"http":{"status":503},"x":{"y":2}}']),
    ),
    max_size=6,
)


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_means_something(query: str) -> None:
    """Else the test below would try nothing."""
    assert LogFilter.parse({"query": query}, 2_000_000).streams


@given(records, st.sampled_from(QUERIES))
def test_a_batch_finds_what_each_record_has(found: list[LogRecord], query: str) -> None:
    """Whatever the letters, and where the texts stand."""
    wanted = LogFilter.parse({"query": query}, 2_000_000)
    assert Batch(found).matching(LiveQuery(wanted)) == [one for one in found if wanted.matches(one)]


def test_every_query_finds_something_sometimes() -> None:
    """Of many records made of these words; a need that is never met would go unnoticed."""
    many = [
        record(n, word, "app.log", 40, '{"http":{"status":503},"x":1,"user":"Ada"}') for n, word in enumerate(WORDS)
    ]
    found = [one for one in QUERIES if Batch(many).matching(LiveQuery(LogFilter.parse({"query": one}, 2_000_000)))]
    assert len(found) > len(QUERIES) * 0.6
