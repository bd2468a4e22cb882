"""How much a test tries: less in the usual run, all of it in `.ci/run --full`."""

from typing import Any

import pytest
from hypothesis import settings


def examples(full: int) -> int:
    """The number of hypothesis' examples for a test that wants `full` of them in the full run."""
    return full if settings.get_current_profile_name() == "full" else max(10, full // 4)


def sizes(short: Any, full: Any) -> list[Any]:
    """The values of a parameter (or, as tuples, of several): `short` in the usual run, `full` too where slow tests run."""
    whole = full if isinstance(full, tuple) else (full,)
    return [short, pytest.param(*whole, marks=pytest.mark.slow)]
