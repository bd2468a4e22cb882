"""Files into which two loggers write: each line is read as it would be by itself."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

import logs

_LEVELS = ("info", "debug", "warn", "error")
_WORDS = {
    "upper": ("INFO", "DEBUG", "WARN", "ERROR"),
    "lower": ("info", "debug", "warn", "error"),
    "letter": ("I", "D", "W", "E"),
    "short": ("INF", "DBG", "WRN", "ERR"),
    "java": ("INFO", "FINE", "WARNING", "SEVERE"),
}
_ISO, _GLOG, _DAYS, _CLOCK = "%Y-%m-%d %H:%M:%S", "%Y%m%d %H:%M:%S", "%d %b %H:%M:%S", "%H:%M:%S"
_PAIRS = [
    # one way of writing times, two places of levels
    ((_ISO, "{t},123 Trac[main] {l}: {m}", "upper"), (_ISO, "[{t}] {l} [liquibase.app] {m}", "java")),
    ((_ISO, "[{t}][App][{l}][host][PID 4242] {m}", "upper"), (_ISO, "{t} {l}::{m}", "upper")),
    ((_ISO, "{t}.135 o.a.s.App main [{l}] {m}", "upper"), (_ISO, "{t}.220 4242 {l} nova.compute [None] {m}", "upper")),
    # the clock of a date beside another's
    ((_GLOG, "{l}{t}.162272 4242 run.cc:12] {m}", "letter"), (_ISO, "{t},181 {l}     saq.worker: {m}", "upper")),
    # with a time, and without
    ((_ISO, "{t},207 {l} [default] {m}", "upper"), (None, "{l}: {m}", "upper")),
    ((_CLOCK, "[{t} {l}] {m}", "short"), (None, "{l}: {m}", "upper")),
    ((_ISO, "{t}.249 4242 {l} nova.compute [None] {m}", "upper"), (None, "[{l}] {m}", "lower")),
    # beside named fields
    ((_ISO, 'time="{t}Z" level={l} msg="{m}"', "lower"), (_DAYS, "{t} - [{l}] {m}", "lower")),
    ((_ISO, "JSON", "lower"), (_DAYS, "{t} - [{l}] {m}", "lower")),
]


def _line(logger: tuple[str | None, str, str], at: datetime, number: int, message: str) -> str:
    """What a logger writes."""
    layout, template, words = logger
    level, when = _WORDS[words][number % 4], at.strftime(layout or "")
    if template == "JSON":
        return json.dumps({"time": when, "level": level, "msg": message})
    return template.format(t=when, l=level, m=message)


@pytest.mark.parametrize("pair", _PAIRS)
def test_each_logger_is_read_as_it_writes(
    tmp_path: Path,
    pair: tuple[tuple[str | None, str, str], tuple[str | None, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whose turn it is changes from line to line; no line goes on with one of the other, and each has its own time and level."""
    monkeypatch.setenv("TZ", "UTC")
    begin = datetime(2026, 3, 14, 9, 5, 7, tzinfo=UTC).timestamp()
    moments = [datetime.fromtimestamp(begin + number, UTC) for number in range(24)]
    lines = [_line(pair[number % 2], at, number // 2, f"step {number} done") for number, at in enumerate(moments)]
    path = tmp_path / "app.log"
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, (begin + 60, begin + 60))
    rows = list(logs.parse_file(path))
    assert [(row["line_no"], row["lines"]) for row in rows] == [(number + 1, 1) for number in range(24)]
    assert [row["level"] for row in rows] == [_LEVELS[number // 2 % 4] for number in range(24)]
    times = [row["ts"] and datetime.fromisoformat(row["ts"]).replace(microsecond=0) for row in rows]
    dated = [number for number in range(24) if pair[number % 2][0] is not None]
    assert [times[number] for number in dated] == [moments[number] for number in dated]
