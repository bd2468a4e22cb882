"""Live records that came together: many queries are tried on them, most of which find nothing."""

from collections.abc import Sequence

from logs.core.record import LogRecord
from logs.index.needles import need_of
from logs.index.required import Every, Literal, Need, Number
from logs.query.filters import LogFilter


class LiveQuery:
    """A filter that is tried on batches.

    Args:
        wanted: the filter. None of its records is found where it does not stream.
    """

    def __init__(self, wanted: LogFilter) -> None:
        self.wanted = wanted
        where = wanted.where
        self.need = None if where is None else need_of(where)


class Batch:
    """Some records, and whether any of them can have a text: that is looked for in all of them at once.

    Args:
        records: what came, in order.
    """

    def __init__(self, records: Sequence[LogRecord]) -> None:
        self.records = records
        self._text: str | None = None
        self._small = ""

    def matching(self, query: LiveQuery) -> list[LogRecord]:
        """The records that a query finds: the same as to try it on each."""
        if not self.records or (query.need is not None and not self._may_have(query.need)):
            return []
        return [record for record in self.records if query.wanted.matches(record)]

    def _may_have(self, need: Need) -> bool:
        if isinstance(need, Literal):
            return self._may_hold(need)
        if isinstance(need, Number):
            return True  # each record is tried
        return (all if isinstance(need, Every) else any)(self._may_have(part) for part in need.parts)

    def _may_hold(self, literal: Literal) -> bool:
        if self._text is None:
            self._text = "\n".join(_texts(self.records))
            self._small = self._text.lower() if self._text.isascii() else ""
        if literal.case:
            return literal.text in self._text
        if not self._small or not literal.text.isascii():
            return True  # letters beyond ASCII have other small forms: each record is tried
        return literal.text.lower() in self._small


def _texts(records: Sequence[LogRecord]) -> list[str]:
    """All that a need may stand in."""
    names: set[str] = set()
    found: list[str] = []
    for record in records:
        found += (record.original(), record.message)
        if record.raw is not None and record.prefix:
            found.append(record.line)
        if record.fields:
            found.append(record.fields)
        names.update((f"source={record.source}", f"logger={record.logger or ''}", f"format={record.format or ''}"))
    return [*found, *names]
