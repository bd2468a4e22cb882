"""Ended runs that are on their way to the store, as the store will answer them: the same filters, order and columns as in `runs_ended.sql`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from logs.query.expressions import lowered
from monitor.core.exit_words import failed
from monitor.live.unstored import Ended
from monitor.store.lives import ended_row


def coming_rows(coming: Sequence[Ended], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that match, however long they lived, as rows of `runs_ended`. Each has `out_of_memory`: how it ended in words, if the kernel killed it for that.

    Args:
        coming: what `UnstoredEnds.ended` answered.
        given: the parameters of the query, times in µs.
    """
    least, most, uid = (given.get(name) for name in ("since", "until", "uid"))
    text = _Text(given["q"], given["unit"]) if "q" in given else None
    rows = []
    for info, end in coming:
        if (least is not None and end.ts < least) or (most is not None and end.ts >= most):
            continue
        row = ended_row(info, end)
        if (
            (uid is None or row["uid"] == uid)
            and (failed(row["exit_code"], row["exit_signal"], row["asked"]) or not given.get("failed"))
            and (text is None or text.is_in(row))
        ):
            rows.append(row)
    return rows


class _Text:
    """What a person looks for."""

    def __init__(self, text: str, unit: str) -> None:
        self._text, self._small, self._unit = text, lowered(text), re.compile(unit, re.IGNORECASE | re.DOTALL)

    def is_in(self, row: Mapping[str, Any]) -> bool:
        return (
            self._small in lowered(f"{row['name']} {row['cmdline']} {row['member'] or ''}")
            or self._text in {row["user_name"], str(row["pid"])}
            or (row["cgroup"] is not None and self._unit.search(row["cgroup"]) is not None)
        )
