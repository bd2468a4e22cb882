"""How a file is read, in words: where its parts stand, which number of a date is the day, and what people said instead."""

from pathlib import Path

import pytest

from logs import LogsError, Registry, TimeReader, corrected
from logs.core.reading import Reading
from logs.parsing.formats.forced import ForcedFormats
from logs.parsing.parser import BlockParser, ReadState, Undated
from logs.parsing.reading import reading_of, reading_of_file
from logs.parsing.shape import kept

NOW = 1_772_700_000_000_000
"""2026-03-05 08:40 UTC."""
DATES = "03/04/2026 10:11:12 [job-1] WARN slow\n05/04/2026 10:11:13 [job-1] INFO ok\n" * 4


def parser(setting: str = "") -> BlockParser:
    """A parser of `/a.log` with one line of the setting."""
    registry = Registry()
    forced = ForcedFormats([setting] if setting else [], registry).of("/a.log")
    return BlockParser(registry, TimeReader(lambda: NOW), str, forced.formats, forced.order)


def read(text: str, setting: str = "") -> Reading:
    """How these lines are read."""
    of = parser(setting)
    of.learn(text.encode())
    return reading_of(of, text.encode())


def parts(reading: Reading, at: int = 0) -> dict[str, str]:
    """The marked parts of an example."""
    one = reading.examples[at]
    return {part.kind: one.line[part.begin : part.end] for part in one.parts}


def fact(reading: Reading, name: str) -> str:
    """The sentence about it."""
    return next((one.text for one in reading.facts if one.name == name), "")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("2026-03-01 10:11:12,345 - app.db - WARNING - slow query", {"time": "2026-03-01 10:11:12,345", "logger": "app.db", "level": "WARNING"}),
        ("10:11:12 pid=4711 INFO hi", {"time": "10:11:12", "pid": "4711", "level": "INFO"}),
        ("Mar  1 10:11:12 host sshd[77]: Accepted key", {"time": "Mar  1 10:11:12", "logger": "sshd", "pid": "77"}),
        ('{"time":"2026-03-01T10:11:12Z","level":"ERROR","msg":"bad","pid":77}', {"time": "2026-03-01T10:11:12Z", "level": "ERROR", "pid": "77"}),
        ("level=info ts=2026-03-01T10:11:12Z logger=a msg=x", {"level": "info", "time": "2026-03-01T10:11:12Z", "logger": "a"}),
        ("hello world", {}),
    ],
)  # fmt: skip
def test_parts_of_a_line_are_marked_where_they_stand(line: str, wanted: dict[str, str]) -> None:
    """Whatever reads the line, an expression or not, its parts are shown in it."""
    reading = read(f"{line}\n" * 4)
    assert parts(reading) == wanted
    assert (reading.lines, reading.headers) == (4, 4 if wanted else 0)


def test_what_the_lines_do_not_say_is_said() -> None:
    """A missing zone, date or year, and what becomes of lines without a header."""
    assert "without a time zone" in fact(read("10:11:12 INFO hi\n" * 9), "Time")
    assert "without a date" in fact(read("10:11:12 INFO hi\n" * 9), "Time")
    assert "without a year" in fact(read("Mar  1 10:11:12 host sshd[77]: Accepted\n" * 4), "Time")
    assert "says its time zone" in fact(read("2026-03-01T10:11:12Z hi\n" * 4), "Time")
    assert "belongs to the record before" in fact(read(DATES), "Other lines")


def test_a_file_of_ambiguous_dates_is_read_as_somebody_says() -> None:
    """Both orders are offered; what a person says holds for learned layouts and for known formats alike."""
    assert read(DATES).orders == ("day-first", "month-first")
    for text in (
        DATES,
        DATES.replace(" [job-1]", " -").replace("WARN slow", "WARN - db - slow").replace("INFO ok", "INFO - db - ok"),
    ):
        found = {order: read(text, f"/a.log={order}").examples for order in ("day-first", "month-first")}
        assert {one.ts[:10] for one in found["day-first"] if one.ts} == {"2026-04-03", "2026-04-05"}
        assert {one.ts[:10] for one in found["month-first"] if one.ts} == {"2026-03-04", "2026-05-04"}
    assert read(DATES, "/a.log=day-first").order == "day-first"
    assert "as a setting says" in fact(read(DATES, "/a.log=day-first"), "Time")


def test_only_possible_orders_are_offered() -> None:
    """Where a date has a 13, there is nothing to choose."""
    reading = read(DATES + "13/04/2026 10:11:14 [job-1] ERROR gone\n")
    assert (reading.order, reading.orders) == ("day-first", ("day-first",))


def test_one_date_decides_for_all_dates_of_a_known_format() -> None:
    """The order is one for the file, also where a known format reads it."""
    lines = [f"{day:02d}/02/2026 10:11:12 - INFO - app.db - x" for day in (3, 4, 25)]
    of = parser()
    text = "".join(f"{line}\n" for line in lines).encode()
    of.learn(text)
    rows = of.parse(text, 0, ReadState(), Undated(NOW, "mtime"))
    assert [ts // 86_400_000_000 for ts in rows.ts] == [20_487, 20_488, 20_509]  # the 3rd, 4th and 25th of February


def test_a_shape_that_was_decided_is_taken_up_again() -> None:
    """Another parser reads on in the same way, as long as it knows the same formats."""
    of = parser()
    of.learn(DATES.encode())
    assert of.decided is None, "more lines might help"
    of.learn((DATES * 20).encode())
    decided = of.decided
    assert decided is not None
    again = parser()
    again.go_on(decided)
    assert (again.shape, again.settled) == (of.shape, True)
    assert kept(decided.replace(Registry().mark, "0" * 16), Registry()) is not None, (
        "what was learned needs no known format"
    )
    assert kept("not JSON", Registry()) is None
    forced = parser("/a.log=day-first")
    forced.go_on(decided)
    assert (forced.settled, forced.decided) == (False, None), "what a person says comes first"


def test_a_correction_takes_the_place_of_the_one_before() -> None:
    """It stands first; `detect` removes it, or holds a wider pattern off."""
    registry = Registry()
    lines = corrected(["/srv/*.log=json"], "/srv/a.log", "day-first", registry)
    assert lines == ["/srv/a.log=day-first", "/srv/*.log=json"]
    assert corrected(lines, "/srv/a.log", "logfmt day-first", registry) == [
        "/srv/a.log=logfmt day-first",
        "/srv/*.log=json",
    ]
    assert corrected(lines, "/srv/a.log", "detect", registry) == ["/srv/a.log=detect", "/srv/*.log=json"]
    assert corrected(["/b.log=json"], "/b.log", "detect", registry) == []
    for path, said in (("/a.log", "nonsense"), ("/a.log", "json logfmt"), ("/a*.log", "json"), ("a.log", "json")):
        with pytest.raises(LogsError):
            corrected([], path, said, registry)


def test_how_a_file_is_read_needs_no_agent(tmp_path: Path) -> None:
    """Its first lines are looked at, with what the settings say of its path; secrets are hidden."""
    path = tmp_path / "a.log"
    path.write_text(DATES)
    assert reading_of_file(path, [f"{path}=day-first"]).order == "day-first"
    hidden = reading_of_file(path, mask=lambda text: text.replace("slow", "***"))
    assert any(one.line.endswith("***") for one in hidden.examples)
    with pytest.raises(LogsError, match="cannot be read"):
        reading_of_file(tmp_path / "none.log")
