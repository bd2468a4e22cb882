"""What is read of the patterns in a store."""

from typing import Any

import pyarrow as pa

from logs.analytics.counting import known_patterns


class Stored:
    """A store with these templates: number and the number of its pattern."""

    def __init__(self, pairs: list[tuple[int, int]]) -> None:
        self._rows = [
            {"number": number, "pattern": pattern, "id": f"id{number}", "text": f"t{number}", "example": "", "source": "app", "first_seen": number, "last_seen": number}
            for number, pattern in pairs
        ]  # fmt: skip

    def query(self, name: str, **_: Any) -> pa.Table:
        """Its rows."""
        assert name == "log_templates"
        return pa.Table.from_pylist(self._rows)


def test_a_pattern_that_is_of_another_one_by_now_is_counted_there() -> None:
    """Earlier versions stored chains: a template of a pattern that was of another one; and a circle ends somewhere."""
    known = known_patterns(Stored([(1, 2), (2, 3), (3, 3), (4, 4), (5, 6), (6, 5)]))
    assert [known.of[number] for number in (1, 2, 3, 4)] == [3, 3, 3, 4]
    assert known.patterns[3].first_seen == 1
    assert all(known.of[number] in known.patterns for number in range(1, 7))
