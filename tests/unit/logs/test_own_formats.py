"""Formats that a person describes: what they read, what is refused, and what is drafted from a few lines."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logs
from logs import FormatSpec, LogsError, OwnFormats, TimeReader, check_samples, draft_format, format_toml, read_format
from logs.parsing.formats.user import UserFormat

NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)
TIMES = TimeReader(lambda: int(NOW.timestamp() * 1e6))
SHOP = r"""
pattern = '(?P<time>\d\d\.\d\d\. \d\d:\d\d:\d\d) <(?P<level>\w+)> user=(?P<user>\d+) took=(?P<took>[\d.]+) (?P<message>.*?)(?: #(?P<order>\w+))?$'
time_layout = '%d.%m. %H:%M:%S'

[levels]
OOPS = "error"

[[sample]]
line = '20.03. 22:11:12 <oops> user=42 took=1.5 card refused #ab1'
level = 'error'
message = 'card refused'
"""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch):  # noqa: ANN202
    """The machine is in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_all_parts_of_a_line() -> None:
    """Time by its layout, level by the map, other groups as fields with their types, the message alone."""
    fmt = UserFormat(read_format(SHOP, "shop"))
    header = fmt.read("20.03. 22:11:12 <oops> user=42 took=1.5 card refused #ab1", TIMES)
    assert header is not None
    assert header.ts == int(datetime(2026, 3, 20, 22, 11, 12, tzinfo=UTC).timestamp() * 1e6)
    assert (header.level, header.message, header.whole) == (40, "card refused", True)
    assert header.fields is not None
    assert logs.line_shown("", header)["fields"] == {"order": "ab1", "took": 1.5, "user": 42}
    assert fmt.read("31.02. 22:11:12 <oops> user=42 took=1.5 x", TIMES) is None, "no such day"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pattern = '('", "no regular expression"),
        ("pattern = '(?P<a>x)(?=y)'", "no regular expression"),
        ("pattern = 'x'", "no named group"),
        ("pattern = '(?P<message>.*)'", "matches an empty line"),
        ("pattern = ", "not TOML"),
        ("patern = '(?P<a>x)'", "patern"),
        ("pattern = '(?P<level>x)'\n[levels]\nx = 'loud'", "no level 'loud'"),
        ("pattern = 7", "pattern"),
    ],
)
def test_what_describes_no_format_is_refused_with_the_reason(text: str, words: str) -> None:
    """Nothing that is wrong in the file is taken silently."""
    with pytest.raises(LogsError, match=words) as caught:
        read_format(text, "shop")
    assert caught.value.hint


def test_levels_may_be_written_as_programs_write_them() -> None:
    """A level's other names stand for it in the map."""
    fmt = UserFormat(read_format("pattern = '(?P<level>\\w+) '\n[levels]\nhmm = 'Warning'\nbad = 'CRITICAL'", "pots"))
    levels = [header.level for line in ("hmm it boils", "BAD it burns") if (header := fmt.read(line, TIMES))]
    assert levels == [30, 50]


def test_samples_are_the_tests_of_a_format() -> None:
    """A sample says what is read in its line, and what should be."""
    right = read_format(SHOP, "shop")
    assert [result.wrong for result in check_samples(right, TIMES)] == [()]
    (result,) = check_samples(read_format(SHOP.replace("level = 'error'", "level = 'warn'"), "shop"), TIMES)
    assert result.wrong == ("level is 'error', not 'warn'",)


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        (["[2026-03-20 22:11:12] WARN app.db: slow", "[2026-03-21 09:12:13] ERROR app.web: stuck x=1"],
         [("2026-03-20T22:11:12", "warn", "app.db", "slow"), ("2026-03-21T09:12:13", "error", "app.web", "stuck x=1")]),
        (["20.03.2026 22:11:12 [7] warn | slow", "21.03.2026 09:12:13 [12] error | stuck"],
         [("2026-03-20T22:11:12", "warn", None, "slow"), ("2026-03-21T09:12:13", "error", None, "stuck")]),
        (["node07 worker-3 2026/3/20 22:11:12 <WARN> it's slow", "node11 worker-12 2026/3/9 2:11:12 <ERR> stuck"],
         [("2026-03-20T22:11:12", "warn", None, "it's slow"), ("2026-03-09T02:11:12", "error", None, "stuck")]),
    ],
)  # fmt: skip
def test_a_draft_reads_the_lines_it_was_made_of(lines: list[str], read: list[tuple[str, str, str | None, str]]) -> None:
    """What is drafted is a format that a person can read, and whose samples are right when it is read back."""
    drafted = draft_format(lines, "shop", TIMES)
    spec = read_format(format_toml(drafted), "shop")
    assert spec == drafted
    assert all(not result.wrong for result in check_samples(spec, TIMES))
    found = [UserFormat(spec).read(line, TIMES) for line in lines]
    shown = [logs.line_shown(line, header) for line, header in zip(lines, found, strict=True)]
    assert [(one["ts"][:19], one["level"], one["logger"], one["message"]) for one in shown] == read
    assert len(spec.pattern) < 200


def test_lines_with_nothing_in_common_give_no_draft() -> None:
    """It says what to do instead."""
    with pytest.raises(LogsError, match="neither a time nor a level"):
        draft_format(["one", "two"], "shop", TIMES)


@given(st.lists(st.text(max_size=80), max_size=5))
def test_any_lines_give_a_draft_or_a_reason(lines: list[str]) -> None:
    """No text makes the drafting fail, and a draft can be written down and read back."""
    try:
        spec = draft_format(lines, "shop", TIMES)
    except LogsError:
        return
    assert read_format(format_toml(spec), "shop") == spec


@given(st.text(max_size=200))
def test_any_line_is_read_or_not(line: str) -> None:
    """Prefix and message are the line, or the whole line is kept."""
    header = UserFormat(FormatSpec(r"(?P<level>\w*) ?(?P<id>\d)?x(?P<message>.*)", "shop")).read(line, TIMES)
    assert header is None or header.whole or header.prefix + header.message == line


def test_the_folder_keeps_formats_and_tells_what_cannot_be_used() -> None:
    """Files of a person's own hand are read too; a name that is taken, and a file that is no format, are told."""
    with tempfile.TemporaryDirectory() as folder:
        own = OwnFormats(Path(folder, "formats"))
        assert own.read() == ([], {})
        own.save("shop", SHOP)
        assert [spec.name for spec in own.read()[0]] == ["shop"]
        Path(folder, "formats", "json.toml").write_text(SHOP, "utf-8")
        Path(folder, "formats", "bad.toml").write_text("pattern = '('", "utf-8")
        specs, errors = own.read()
        assert ([spec.name for spec in specs], sorted(errors)) == (["shop"], ["bad.toml", "json.toml"])
        with pytest.raises(LogsError, match="Watchkeeper's own"):
            own.save("json", SHOP)
        for name in ("../x", "A", ""):
            with pytest.raises(LogsError, match="name"):
                own.save(name, SHOP)
        own.remove("shop")
        with pytest.raises(LogsError, match="no format 'shop'"):
            own.remove("shop")
        assert sorted(path.name for path in Path(folder, "formats").iterdir()) == ["bad.toml", "json.toml"]


def test_lines_without_a_header_belong_to_the_record_before(tmp_path: Path) -> None:
    """Who describes the first line of a record says that all others go on with it."""
    path = tmp_path / "shop.log"
    path.write_text(
        "20.03. 22:11:12 <oops> user=1 took=2 card refused\nnot a header\n\n  nor this\n20.03. 22:11:13 <info> user=1 took=2 paid\n"
    )
    rows = list(logs.parse_file(path, "shop", [read_format(SHOP, "shop")]))
    assert [(row["line_no"], row["lines"], row["level"], row["format"]) for row in rows] == [
        (1, 4, "error", "shop"), (5, 1, "info", "shop"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["\0", "a" * 5000, "..", "a/b", "\ud800"])
def test_a_name_that_no_file_can_have_is_of_no_format(tmp_path: Path, name: str) -> None:
    """It is asked for, forgotten and saved with a sentence as the answer."""
    own = OwnFormats(tmp_path)
    for attempt in (own.text, own.remove, lambda wanted: own.save(wanted, "pattern = '('")):
        with pytest.raises(LogsError):
            attempt(name)
