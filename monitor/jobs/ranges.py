"""A set of whole numbers that come nearly in order: which events of a run were counted already."""

from bisect import bisect_right


class Ranges:
    """Numbers as sorted ranges, so that a million in a row take as much space as two.

    >>> seen = Ranges()
    >>> [seen.add(number) for number in (1, 2, 4, 2)], seen.text()
    ([True, True, True, False], '1-2 4')

    Args:
        text: what `text` gave.

    Raises:
        ValueError: it is no such text.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self, text: str = "") -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for part in text.split():
            first, _, last = part.partition("-")
            self._starts.append(int(first))
            self._ends.append(int(last or first))

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._starts, number) - 1
        return place >= 0 and number <= self._ends[place]

    def __len__(self) -> int:
        return sum(end - start + 1 for start, end in zip(self._starts, self._ends, strict=True))

    def add(self, number: int) -> bool:
        """Add a number; returns whether it is new."""
        starts, ends = self._starts, self._ends
        if ends and number == ends[-1] + 1:  # nearly always
            ends[-1] = number
            return True
        place = bisect_right(starts, number)
        if place and number <= ends[place - 1]:
            return False
        after_one = place > 0 and ends[place - 1] == number - 1
        before_one = place < len(starts) and starts[place] == number + 1
        if after_one and before_one:
            ends[place - 1] = ends.pop(place)
            del starts[place]
        elif after_one:
            ends[place - 1] = number
        elif before_one:
            starts[place] = number
        else:
            starts.insert(place, number)
            ends.insert(place, number)
        return True

    def text(self) -> str:
        """The ranges as text: `0-99 102`."""
        pairs = zip(self._starts, self._ends, strict=True)
        return " ".join(str(start) if start == end else f"{start}-{end}" for start, end in pairs)
