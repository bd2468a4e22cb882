"""Records without names for their values: one JSON array a line."""

import re
from typing import Any, Final

import msgspec

from logs.core import levels
from logs.core.moments import SHAPES
from logs.core.timestamps import TimeReader, epoch_us
from logs.parsing.formats.base import Header

_FIRST_FEW: Final = 4
"""Among how many of the first values time and level are looked for."""
_SINCE_2001: Final = 1_000_000_000
_STEPS: Final = frozenset({10, 20, 30, 40, 50, 60})
"""Levels as numbers."""
_NAME: Final = re.compile(r"[A-Za-z_][\w.$/:\-]*")
_STYLES: Final = frozenset({"upper", "lower", "title"})
_DATES: Final = tuple(shape for shape in SHAPES.values() if shape.name not in {"epoch", "epoch-hex", "tai64n"})
_decoder = msgspec.json.Decoder(list[Any])
_encode = msgspec.json.Encoder().encode


class ArrayFormat:
    """An array a line, with a time or a level among its first values; of the texts behind those, names come before the message."""

    name = "json"
    starts = "["
    dated = True
    wraps = False
    follows = None

    def read(self, line: str, times: TimeReader) -> Header | None:
        """See `Format.read`; the whole line is kept beside the message."""
        if not line.startswith("[") or not line.rstrip().endswith("]"):
            return None
        try:
            values = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return None
        stamps = ((n, ts) for n, value in enumerate(values[:_FIRST_FEW]) if (ts := _moment(value, times)) is not None)
        place, ts = next(stamps, (-1, None))
        graded = ((n, level) for n, value in enumerate(values[:_FIRST_FEW]) if n != place and (level := _level(value)))
        rank, level = next(graded, (-1, levels.UNKNOWN))
        if (ts is None and (rank or not isinstance(values[0], str))) or len(values) < 2:
            return None
        rest = [value for n, value in enumerate(values) if n not in {place, rank}]
        texts = [value for value in rest if isinstance(value, str)]
        if not texts:
            return None
        message = next((text for text in texts if not _NAME.fullmatch(text)), texts[-1])
        logger = next((text for text in texts[: texts.index(message)]), None)
        rest = [value for value in rest if value not in (message, logger)]
        fields: dict[str, Any] = {}
        for value in rest:
            fields.update(value if isinstance(value, dict) else {f"value{len(fields)}": value})
        return Header(ts, level, logger, None, "", message, _encode(fields).decode() if fields else None, whole=True)


def _moment(value: object, times: TimeReader) -> int | None:
    """The time that a value says; None where it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return epoch_us(str(value) if isinstance(value, int) else value) if value > _SINCE_2001 else None
    if isinstance(value, str) and any(shape.regex.fullmatch(value) for shape in _DATES):
        return times.any(value)
    return None


def _level(value: object) -> int:
    """The level that a value says."""
    if isinstance(value, str):
        return levels.of_word(value) if levels.style(value) in _STYLES else levels.UNKNOWN
    if isinstance(value, int) and not isinstance(value, bool) and value in _STEPS:
        return levels.of_number(value, bunyan=False)
    return levels.UNKNOWN
