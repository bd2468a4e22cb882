"""The time range of a page: live, the last 5 minutes, 1 hour, 24 hours, 7 days, or from one moment to another.

It lives in the address (`range`, `from`, `to`), so that a link shows what its sender saw; the brush of a chart writes there too.
"""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from pages.ui.segments import segments

WINDOWS: Final = {"live": 300, "5m": 300, "1h": 3600, "24h": 86_400, "7d": 604_800}
"""Name in the address → seconds."""
LAST_US: Final = 4_102_444_800_000_000
"""The year 2100 in µs since the epoch."""
TITLES: Final = {"live": "Live", "5m": "5 min", "1h": "1 h", "24h": "24 h", "7d": "7 d", "custom": "Custom"}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What is looked at. `bounds` (µs since the epoch) is None for a range that ends now and moves."""

    name: str = "live"
    window_s: int = 300
    bounds: tuple[int, int] | None = None

    @property
    def live(self) -> bool:
        """Whether it follows what happens."""
        return self.name == "live"

    @property
    def fixed(self) -> bool:
        """Whether it stands still."""
        return self.bounds is not None

    def log_filters(self) -> dict[str, str | int]:
        """`since` and `until` for the log API; live has none, since the newest records are wanted however old."""
        if self.bounds is not None:
            return {"since": self.bounds[0], "until": self.bounds[1]}
        return {} if self.live else {"since": self.name}

    def span(self, now_us: int | None = None) -> tuple[int, int]:
        """Start and end in µs, for a question asked once."""
        if self.bounds is not None:
            return self.bounds
        now = time.time_ns() // 1000 if now_us is None else now_us
        return now - self.window_s * 1_000_000, now


def parse_moment(text: str) -> int:
    """µs since the epoch of ISO 8601 (with offset, or UTC without) or of a count of µs.

    Raises:
        ValueError: it is neither.
    """
    if re.fullmatch(r"\d{12,17}", text):
        return int(text)
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_address(name: str | None, start: str | None, end: str | None) -> TimeRange:
    """The range that an address names; live when it names none.

    Raises:
        ValueError: it names one that cannot be.
    """
    if name == "custom":
        if not start or not end:
            raise ValueError("a custom range needs both from and to")
        bounds = parse_moment(start), parse_moment(end)
        if not (bounds[0] >= 0 and bounds[1] <= LAST_US):
            raise ValueError("a range must lie between 1970 and 2100")
        if bounds[0] >= bounds[1]:
            raise ValueError("a range must end after it begins")
        return TimeRange("custom", max(1, (bounds[1] - bounds[0]) // 1_000_000), bounds)
    if name is None or name in WINDOWS:
        return TimeRange(name or "live", WINDOWS[name or "live"])
    raise ValueError(f"there is no range called {name[:40]}")


def time_range() -> TimeRange:
    """Draw the control and answer what is chosen."""
    address = st.query_params
    try:
        chosen = from_address(address.get("range"), address.get("from"), address.get("to"))
    except ValueError as error:
        st.toast(f"The address names no time range: {error}. Showing live.", icon=":material/schedule:")
        chosen = TimeRange()
    names = [*WINDOWS, "custom"] if chosen.fixed else [*WINDOWS]
    segments(
        "Time range",
        "range",
        [(name, TITLES[name]) for name in names],
        chosen.name,
        clears=("from", "to"),
        key="time_range",
        width=320 if chosen.fixed else 246,
    )
    with st.popover("…", help="From one moment to another", key="time_popover"):
        _custom(chosen)
    return chosen


def _custom(chosen: TimeRange) -> None:
    zone = _zone()
    start, end = (datetime.fromtimestamp(at / 1e6, zone).replace(tzinfo=None, microsecond=0) for at in chosen.span())
    with st.form("time_custom", border=False):
        first = st.datetime_input("From", value=start, step=timedelta(minutes=1), format="YYYY-MM-DD")
        last = st.datetime_input("To", value=end, step=timedelta(minutes=1), format="YYYY-MM-DD")
        if not st.form_submit_button("Show", type="primary"):
            return
    if first >= last:
        st.error("The range must end after it begins.")
        return
    st.query_params.update({"range": "custom", "from": _iso(first, zone), "to": _iso(last, zone)})
    st.rerun()


def _iso(moment: datetime, zone: tzinfo) -> str:
    return moment.replace(tzinfo=zone).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _zone() -> tzinfo:
    """The time zone of the browser, in which its user thinks."""
    try:
        return ZoneInfo(str(st.context.timezone))
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
