"""Settings of an agent that sees only what its test gives it: tests beside it write log files and start model servers too."""

from glob import escape
from pathlib import Path

LOGS = "[logs]\ndiscover = false\njournal = false\n"
"""Of log files only those that the test adds, as further lines of this section."""
ENGINES = "[engines]\nollama_url = ''\ndiscover = false\n"
"""Of model servers only those that the test adds, as further lines of this section."""
ALONE = LOGS + ENGINES


def elsewhere(folder: Path) -> tuple[str, ...]:
    """Patterns of all paths outside of a folder, for `exclude` of a watch that discovers: the machine's own logs are thousands of records."""
    inside = f"{folder}/"
    return tuple(f"{escape(inside[:at])}[!{inside[at]}]*" for at in range(1, len(inside)))
