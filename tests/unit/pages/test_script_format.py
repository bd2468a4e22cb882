"""Numbers and times as the live parts write them: fixed units and widths, a dash for what is not known; and the axes of charts."""

from typing import Any

import pytest

from pages.ui import numbers
from tests.doubles.node import run_script

CALL = "const format = await load('core/format'); return given.args.map((args) => format[given.name](...args))"


def called(name: str, *args: list[Any], zone: str = "UTC") -> list[Any]:
    """Answers of a function of `core/format.js`."""
    found: list[Any] = run_script(CALL, {"name": name, "args": args}, zone=zone)
    return found


def test_sizes_have_at_most_four_digits_and_a_fixed_step() -> None:
    """A size never reads 1024 of a unit, and below a hundred it keeps one digit."""
    sizes = [0, 1023, 1024, 10_240, 102_348, 1024**2 - 1, 1024**3 * 41.25]
    assert called("bytes", *([size] for size in sizes)) == [
        "0 B", "1023 B", "1.0 KiB", "10.0 KiB", "99.9 KiB", "1.0 MiB", "41.3 GiB",
    ]  # fmt: skip


def test_rates_never_fall_below_kilobytes() -> None:
    """The unit of a quiet line rests, so that nothing jumps."""
    assert called("rate", [0], [120], [999_900], [1.5e9]) == ["0.0 kB/s", "0.1 kB/s", "1.0 MB/s", "1.5 GB/s"]


@pytest.mark.parametrize("name", ["bytes", "rate", "fixed", "percent", "count", "span", "clock", "moment", "iso"])
def test_what_is_not_known_is_a_dash(name: str) -> None:
    """Neither null nor a missing value is ever written as a number."""
    assert called(name, [None], []) == ["\N{EN DASH}"] * 2


def test_numbers_of_one_digit_more_keep_their_width() -> None:
    """A hundred per cent has no digits after the point; counts are grouped; one thing is singular."""
    assert called("percent", [7.25], [99.94], [99.96], [12, 0]) == ["7.3 %", "99.9 %", "100 %", "12 %"]
    assert called("count", [40_441], [0]) == ["40,441", "0"]
    assert called("plural", [1, "error"], [2, "error"], [0, "process", "processes"]) == [
        "1 error", "2 errors", "0 processes",
    ]  # fmt: skip


def test_spans_have_two_units_at_most() -> None:
    """Hours with padded minutes, days with hours."""
    spans = [[0.9], [59], [60], [3600 * 3 + 720], [86_400 * 6 + 3600 * 4]]
    assert called("span", *spans) == ["0 s", "59 s", "1 min", "3 h 12", "6 d 4 h"]


def test_pages_and_components_write_sizes_and_spans_alike() -> None:
    """The two sides of a page agree."""
    sizes = [0, 512, 1023, 1024, 4_920_000_000, 1024**5 * 3]
    assert called("bytes", *([size] for size in sizes)) == [numbers.size(size) for size in sizes]
    spans = [0, 61, 3600 * 5 + 65, 86_400 * 3]
    assert called("span", *([seconds] for seconds in spans)) == [numbers.duration(seconds) for seconds in spans]


def test_times_are_local_and_dated_unless_of_today() -> None:
    """The clock of the person who looks, with milliseconds on demand."""
    at = 1_790_000_000_123_000
    assert called("clock", [at], [at, 3], zone="Europe/Berlin") == ["16:13:20", "16:13:20.123"]
    assert called("moment", [at], zone="UTC") == ["2026-09-21 14:13:20"]
    assert called("iso", [at]) == ["2026-09-21T14:13:20.123Z"]


@pytest.mark.parametrize(
    ("value", "unit", "top"),
    [
        (0, "%", 1),
        (7.3, "%", 8),
        (101, "", 150),
        (0.021, "", 0.03),
        (5 * 2**30, "bytes", 8 * 2**30),
        (900, "bytes", 1024),
    ],
)
def test_an_axis_ends_at_a_round_number(value: float, unit: str, top: float) -> None:
    """The top is not below the value; sizes are powers of two, so that their halves are whole."""
    found = run_script(
        'const { nice } = await load("charts/scale"); return nice(given.value, given.unit)',
        {"value": value, "unit": unit},
    )
    assert found == pytest.approx(top)


def test_marks_of_a_time_axis_stand_at_round_local_times() -> None:
    """As many as there is room for: seconds, minutes, or dates."""
    begin = 1_789_999_200e6  # 14:00:00 UTC
    marks = run_script(
        'const { timeMarks } = await load("charts/scale"); return given.map(([span, width]) => timeMarks([BEGIN, BEGIN + span * 1e6], width).map(([, text]) => text))'.replace(
            "BEGIN", str(int(begin))
        ),
        [[20, 300], [3600, 300], [7 * 86_400, 600]],
    )
    assert marks[0] == ["14:00:00", "14:00:05", "14:00:10", "14:00:15", "14:00:20"]
    assert marks[1] == ["14:00", "14:15", "14:30", "14:45", "15:00"]
    assert marks[2][:2] == ["09-22", "09-23"]


def test_the_crosshair_finds_the_nearest_reading_within_reach() -> None:
    """Between two readings the nearer one, in a gap none."""
    assert run_script(
        'const { nearest } = await load("charts/scale"); return given.map((ts) => nearest([0, 10, 20, 90], ts, 12))',
        [4, 6, 20, 50, 79, 200],
    ) == [0, 1, 2, -1, 3, -1]


def test_a_bar_is_at_least_a_millisecond_wide() -> None:
    """In a range of seconds too its width is told; it is not 0 s."""
    assert run_script(
        'const { barWidth } = await load("core/format"); return given.map(barWidth)',
        [1_000, 50_000, 1_000_000, 90_000_000],
    ) == ["1 ms", "50 ms", "1 s", "1 min"]
