"""What tests of a running agent share: a client of it, and a record in its store."""

from typing import Any

import pytest

from monitor.api_models.logs import Record
from monitor.client.client import Client
from tests.waiting import wait_until


@pytest.fixture
def api(running_agent: Any) -> Client:
    """The shared agent's client."""
    return running_agent.api


@pytest.fixture(scope="module")  # as the agent: written once
def record(running_agent: Any) -> Record:
    """A record of three lines that was written to a followed file, once the store has it."""
    with (running_agent.logs_dir / "job.log").open("a", encoding="utf-8") as out:
        out.write(
            "2026-11-20 10:00:00,123 INFO worker: it begins\n2026-11-20 10:00:01,123 ERROR worker: needle failed\n"
        )
        out.write(
            'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: <script>alert(1)</script>\n'
        )
        out.write("2026-11-20 10:00:02,123 INFO worker: it ends\n")

    def stored() -> Any:
        return running_agent.api.log_records({"q": "it ends"}).records

    wait_until(stored, "the records are in the store")
    return running_agent.api.log_records({"q": "needle"}).records[0]
