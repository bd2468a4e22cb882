"""Downloads: complete, in order, bounded, and harmless in a spreadsheet."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from monitor.api_models.logs import LogPage, Record
from monitor.client.client import Client
from pages.ui import export


class Pages(Client):
    """A client whose log holds `total` records; it answers pages as the agent does."""

    def __init__(self, total: int, message: str = "message {n}") -> None:
        self.total, self.message = total, message

    def log_records(
        self,
        filters: Mapping[str, Any] | None = None,
        *,
        limit: int = 200,
        before: str | None = None,
        after: str | None = None,
    ) -> LogPage:
        """The newest `limit` before the cursor, oldest first."""
        assert filters == {}
        assert after is None
        stop = self.total if before is None else int(before)
        begin = max(0, stop - limit)
        records = [
            Record(
                id=f"1:{n}", ts=n, level="info", source="s", logger=None, pid=None, run=None, message=self.message.format(n=n),
                lines=1, format=None, file_id="1", pos=n, line_no=n,
            )
            for n in range(begin, stop)
        ]  # fmt: skip
        return LogPage(records=records, older=str(begin) if begin else None, newer=None, elapsed_ms=0)


def test_json_lines_hold_every_record_once_and_in_order() -> None:
    """Pages are fetched newest first and written oldest first."""
    text = export.json_lines(Pages(4500), {}).decode()
    assert [json.loads(line)["pos"] for line in text.splitlines()] == list(range(4500))


def test_times_are_read_by_people_and_programs() -> None:
    """Both kinds of file hold ISO 8601 with the offset, to the microsecond."""
    line = json.loads(export.json_lines(Pages(8), {}).decode().splitlines()[7])
    (*_, row) = csv.DictReader(io.StringIO(export.csv_text(Pages(8), {}).decode(), newline=""))
    assert line["ts"] == row["ts"] == "1970-01-01T00:00:00.000007+00:00"


def test_a_download_is_bounded_to_the_newest() -> None:
    """More than the bound is cut at the old end."""
    text = export.json_lines(Pages(4500), {}, most=2500).decode()
    assert [json.loads(line)["pos"] for line in text.splitlines()] == list(range(2000, 4500))


def test_an_empty_view_is_an_empty_file() -> None:
    """No record, no line; CSV keeps its head."""
    assert export.json_lines(Pages(0), {}) == b""
    assert export.csv_text(Pages(0), {}).decode().splitlines() == [",".join(export.COLUMNS)]


def test_csv_cells_never_begin_a_formula() -> None:
    """A record that a spreadsheet would run is text there; line breaks and quotes survive."""
    text = export.csv_text(Pages(1, '=HYPERLINK("http://x")\nsecond "line"'), {}).decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["message"] == '\'=HYPERLINK("http://x")\nsecond "line"'
    assert row["logger"] == ""
