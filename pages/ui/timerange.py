"""The time range of a page: live, the last 5 minutes, 1 hour, 24 hours, 7 days, or from one moment to another.

The range is in the address (`range`, `from`, `to`), so that a link reproduces it. Selecting a range in a chart writes there too.
"""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from pages.ui.choice import choice
from pages.ui.mount import mount

WINDOWS: Final = {"live": 300, "5m": 300, "1h": 3600, "24h": 86_400, "7d": 604_800}
"""Name in the address → seconds."""
LAST_US: Final = 4_102_444_800_000_000
"""The year 2100 in µs since the epoch."""
TITLES: Final = {
    "live": "Live",
    "5m": "5 min",
    "1h": "1 h",
    "24h": "24 h",
    "7d": "7 d",
    "life": "Whole run",
    "custom": "Custom",
}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A time range. `bounds` (µs since the epoch) is None for a range that ends now and moves."""

    name: str = "live"
    window_s: int = 300
    bounds: tuple[int, int] | None = None

    @property
    def live(self) -> bool:
        """Whether it shows live data."""
        return self.name == "live"

    @property
    def fixed(self) -> bool:
        """Whether it has a fixed start and end."""
        return self.bounds is not None

    def log_filters(self) -> dict[str, str | int]:
        """`since` and `until` for the log API. Live and a whole run have neither: they show the newest records, however old."""
        if self.bounds is not None and self.name != "life":
            return {"since": self.bounds[0], "until": self.bounds[1]}
        return {} if self.live or self.bounds else {"since": self.name}

    def span(self, now_us: int | None = None) -> tuple[int, int]:
        """Start and end in µs, for a single query."""
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
    """The range in the address, or live without one.

    Raises:
        ValueError: the range in the address is not valid.
    """
    if name == "custom":
        if not start or not end:
            raise ValueError("a custom range needs both from and to")
        bounds = parse_moment(start), parse_moment(end)
        if not (bounds[0] >= 0 and bounds[1] <= LAST_US):
            raise ValueError("the range must be between 1970 and 2100")
        if bounds[0] >= bounds[1]:
            raise ValueError("the end must be after the start")
        return TimeRange("custom", max(1, (bounds[1] - bounds[0]) // 1_000_000), bounds)
    if name is None or name in WINDOWS:
        return TimeRange(name or "live", WINDOWS[name or "live"])
    raise ValueError(f"there is no range called {name[:40]}")


def life_of(start_us: int, end_us: int) -> TimeRange:
    """The life of a run that has ended, with a margin on both sides, so that its beginning and its end can be seen."""
    margin = max(2_000_000, (end_us - start_us) // 50)
    bounds = (max(0, start_us - margin), max(end_us, start_us) + margin)
    return TimeRange("life", max(1, (bounds[1] - bounds[0]) // 1_000_000), bounds)


def time_range(life: TimeRange | None = None, *, live_link_s: int = WINDOWS["live"]) -> TimeRange:
    """Draw the control and return the chosen range.

    Args:
        life: what is shown has ended: this range takes the place of live and of all ranges up to now.
        live_link_s: seconds that a copied link to the live view covers.
    """
    address = st.query_params
    try:
        chosen = from_address(address.get("range") or None, address.get("from"), address.get("to"))
    except ValueError as error:
        st.toast(f"Invalid time range in the address: {error}. Showing live data.", icon=":material/schedule:")
        chosen = TimeRange()
    if life is not None and not chosen.fixed:
        chosen = life
    names = ["life"] if life is not None else list(WINDOWS)
    titles = {name: TITLES[name] for name in [*names, *(["custom"] if chosen.name == "custom" else [])]}
    choice("Time range", "range", titles, chosen.name, key="time_range", clears=("from", "to"), shown_only="custom")
    with st.popover("…", help="Custom time range, link to this view", key="time_popover"):
        _custom(chosen)
        moving = {} if life is not None else {**WINDOWS, "live": live_link_s}
        mount("frame/share", {"windows": moving}, key="wk-share", height=36)
    return chosen


def iso(moment: int) -> str:
    """µs since the epoch as the address has it: UTC, to the second where it is a whole one."""
    at = datetime.fromtimestamp(moment // 1_000_000, UTC).replace(microsecond=moment % 1_000_000)
    return at.isoformat().replace("+00:00", "Z")


def _custom(chosen: TimeRange) -> None:
    zone = visitors_zone()
    start, end = (datetime.fromtimestamp(at / 1e6, zone).replace(tzinfo=None, microsecond=0) for at in chosen.span())
    with st.form("time_custom", border=False):
        first = st.datetime_input("From", value=start, step=timedelta(minutes=1), format="YYYY-MM-DD")
        last = st.datetime_input("To", value=end, step=timedelta(minutes=1), format="YYYY-MM-DD")
        if not st.form_submit_button("Apply", type="primary"):
            return
    if first >= last:
        st.error("The end must be after the start.")
        return
    st.query_params.update({"range": "custom", "from": _iso(first, zone), "to": _iso(last, zone)})
    st.rerun()


def _iso(moment: datetime, zone: tzinfo) -> str:
    return moment.replace(tzinfo=zone).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def visitors_zone() -> tzinfo:
    """The time zone of the browser."""
    try:
        return ZoneInfo(str(st.context.timezone))
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
