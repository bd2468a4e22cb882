"""When a file system would be full: told of steady growth, never of noise."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.live.outlook import DISK_PART_S, disk_outlooks

GIB = 1 << 30
NOW = 1_800_000_000_000_000
PARTS = 36


def rows(
    free: Callable[[float], float], *, parts: int = PARTS, late_s: int = 0, total: int = 100 * GIB
) -> list[dict[str, Any]]:
    """Six hours of a file system: what is free by the hour, in GiB."""
    begin = NOW - (parts * DISK_PART_S + late_s) * 1_000_000
    return [
        {
            "mount": "/data",
            "bucket": begin + n * DISK_PART_S * 1_000_000,
            "free": int(free(n / 6) * GIB),
            "total": total,
        }
        for n in range(parts)
    ]


@given(st.floats(0.05, 5.0), st.floats(31, 90), st.integers(8, PARTS), st.floats(0, 0.2))  # never below nothing
def test_steady_growth_says_when(per_hour: float, free: float, parts: int, wobble: float) -> None:
    """The time is right to a tenth, whatever wobbles about the line; it is told up to a month ahead."""
    noise = random.Random(1)
    line = rows(lambda hour: free - per_hour * (hour + wobble * (noise.random() - 0.5)), parts=parts)
    found = disk_outlooks(line, NOW)
    left_s = line[-1]["free"] / GIB / per_hour * 3600
    if left_s < 25 * 86_400:
        [one] = found
        assert one.full_in_s == pytest.approx(left_s, rel=0.1)
        assert one.per_day == pytest.approx(per_hour * 24 * GIB, rel=0.1)
    elif left_s > 33 * 86_400:
        assert found == []


@pytest.mark.parametrize(
    "free",
    [
        lambda _: 50,
        lambda hour: 50 + hour,
        lambda hour: 50 - 10 * (hour > 3),  # one file was copied
        lambda hour: 50 - (hour % 1.5) * 4,  # logs that are rotated
        lambda hour: 50 - 8 * min(hour, 2),  # what went on for two hours is over
        lambda hour: 50 - 3 * hour + 12 * (hour > 5),  # somebody made room
        lambda hour: 50 + random.Random(hour).random() * 5,
    ],
)
def test_what_is_no_trend_is_not_told(free: Callable[[float], float]) -> None:
    """Nothing, shrinking, a jump, a sawtooth, what is over, and chance."""
    assert disk_outlooks(rows(free), NOW) == []


def test_a_trend_needs_its_time_and_the_same_disk() -> None:
    """Not from an hour, not from what was long ago, not across a change of size; the first to be full comes first."""
    line = rows(lambda hour: 30 - hour)
    [one] = disk_outlooks(line, NOW)
    assert one.told == "/data would be full in about 24 hours, at 24 GiB a day as in the last 6 hours"
    assert disk_outlooks(line[-6:], NOW) == []
    assert disk_outlooks(rows(lambda hour: 30 - hour, late_s=7200), NOW) == []
    assert disk_outlooks(line[:-3] + [row | {"total": 200 * GIB} for row in line[-3:]], NOW) == []
    later = [row | {"mount": "/late", "free": row["free"] + 30 * GIB} for row in line]
    assert [one.mount for one in disk_outlooks([*later, *line], NOW)] == ["/data", "/late"]
