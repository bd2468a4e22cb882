"""`LogStreamManager` with a real agent: records of files and of programs, by source and filter."""

from typing import Any

import pytest

from monitor import library
from monitor.client.client import Client
from monitor.client.log_stream import LogStreamManager
from monitor.core.errors import QueryError
from tests.waiting import patient


def test_what_a_program_broadcasts_comes_to_those_who_want_it(running_agent: Any) -> None:
    """A record goes to the streams whose source and filters it matches, with its secrets masked, and is not stored; wrong filters are told."""
    client: Client = running_agent.client
    streams = LogStreamManager(client)
    with streams.stream_logs("deploy*", {"level": "warn"}) as stream, streams.stream_logs("other") as other:
        assert streams.broadcast_log_event({"source": "deploy", "level": "info", "message": "not wanted"}) == 0
        said = {"source": "deploy 1", "level": "error", "message": "password=hunter2hunter2 failed"}
        assert streams.broadcast_log_event(said) == 1
        assert streams.broadcast_log_event({"source": "other", "message": "two\nlines"}) == 1
        first, second = stream.next(patient(10)), other.next(patient(10))
        assert (first.source, first.level, second.message, second.lines) == ("deploy 1", "error", "two\nlines", 2)
        assert "hunter2" not in first.message
        assert stream.missed == 0
    assert client.log_count({"source": "deploy*"}).count == 0
    with pytest.raises(QueryError), streams.stream_logs(filters={"query": "(open"}):
        pass
    assert library.load("LogStreamManager") is LogStreamManager
