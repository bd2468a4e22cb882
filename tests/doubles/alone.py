"""Settings of an agent that sees only what its test gives it: tests beside it write log files and start model servers too."""

LOGS = "[logs]\ndiscover = false\njournal = false\n"
"""Of log files only those that the test adds, as further lines of this section."""
ENGINES = "[engines]\nollama_url = ''\ndiscover = false\n"
"""Of model servers only those that the test adds, as further lines of this section."""
ALONE = LOGS + ENGINES
