"""A log format as a person describes it: data only, so that it can be sent to a worker."""

import msgspec


class Sample(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A line, and what the format must read in it; None where that does not matter. `time` is ISO 8601."""

    line: str
    time: str | None = None
    level: str | None = None
    logger: str | None = None
    pid: int | None = None
    message: str | None = None


class FormatSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A format.

    Args:
        pattern: an RE2 expression for the first line of a record. The groups `time`, `level`, `logger`, `pid` and
            `message` have a meaning; all others become fields. Without `message`, what follows the match is the message; the line, where nothing does.
        name: what it is called; the name of its file.
        time_layout: the layout of `time` as `strptime` knows it; None: any time that the reader knows.
        day_first: whether 03/04 is the third of April, where the layout does not say it.
        levels: word of the file → level, in any case; the usual words need no entry.
        sample: lines that are the format's tests.
    """

    pattern: str
    name: str = ""
    time_layout: str | None = None
    day_first: bool = False
    levels: dict[str, str] = msgspec.field(default_factory=dict)
    sample: tuple[Sample, ...] = ()
