"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Path, Query

from monitor.api.errors import NotFound

FromTime = Annotated[int, Query(alias="from", description="Begin, microseconds since the epoch.", ge=0, le=2**62)]
ToTime = Annotated[int, Query(alias="to", description="End (exclusive), microseconds since the epoch.", ge=0, le=2**62)]
Points = Annotated[int, Query(description="Buckets at most.", ge=1, le=10_000)]
RunPart = Annotated[str, Path(description="The run, a decimal number.", max_length=30)]


def run_number(text: str) -> int:
    """The run as a number.

    Raises:
        NotFound: it is none.
    """
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
        raise NotFound(
            f"there is no run {text[:40]!r}", hint="The Processes page and `watchkeeper ps` list what runs now."
        )
    return int(text)
