"""Formats: name, time, level, logger, pid and message of sample lines, as programs write them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import logs
from logs import LogsError, check_forced
from logs.core.timestamps import TimeReader
from logs.parsing.formats import Registry
from tests.integration.logs.conftest import Watch
from tests.waiting import wait_until

NOW = int(datetime(2026, 3, 5, 12, 0, 0, tzinfo=UTC).timestamp() * 1_000_000)
UTC_TIME = "2026-03-01T10:11:12+00:00"

SAMPLES: list[tuple[str, str, str | None, str | None, str | None, int | None, str]] = [
    # line, format, time, level, logger, pid, message
    ("2026-03-01 10:11:12,345 - app.db - WARNING - slow query", "python", "2026-03-01T10:11:12.345000", "warn", "app.db", None, "slow query"),
    ("2026-03-01 10:11:12,345 - 4711 - app.db - ERROR - gone", "python", "2026-03-01T10:11:12.345000", "error", "app.db", 4711, "gone"),
    ("2026-03-01 10:11:12,345 - INFO - hello", "python", "2026-03-01T10:11:12.345000", "info", None, None, "hello"),
    ("2026-03-01 10:11:12,345:DEBUG:root:hello", "python", "2026-03-01T10:11:12.345000", "debug", "root", None, "hello"),
    ("WARNING:root:careful", "python", None, "warn", "root", None, "careful"),
    ("2026-03-01 10:11:12,345 INFO app: hello", "python", "2026-03-01T10:11:12.345000", "info", "app", None, "hello"),
    ("2026-03-01 10:11:12.345 | INFO     | app.core:run:42 - hello", "loguru", "2026-03-01T10:11:12.345000", "info", "app.core:run:42", None, "hello"),
    ("2026-03-01 10:11:12 [info     ] request done  path=/x status=200", "structlog", "2026-03-01T10:11:12", "info", None, None, "request done  path=/x status=200"),
    ("[2026-03-01 10:11:12,345: INFO/MainProcess] celery@host ready.", "celery", "2026-03-01T10:11:12.345000", "info", "MainProcess", None, "celery@host ready."),
    ("[2026-03-01 10:11:12 +0000] [4711] [INFO] Booting worker", "gunicorn", UTC_TIME, "info", None, 4711, "Booting worker"),
    ('INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK', "uvicorn", None, "info", None, None, '127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK'),
    ("10:11:12 default: app.job('x') (5f0c)", "rq", "2026-03-05T10:11:12", None, "default", None, "app.job('x') (5f0c)"),
    ("INFO     app.core:core.py:42 hello", "pytest", None, "info", "app.core", None, "hello"),
    ("<34>1 2026-03-01T10:11:12Z host su 77 ID47 - failed", "syslog5424", UTC_TIME, "fatal", "su", 77, "failed"),
    ("Mar  1 10:11:12 host sshd[77]: Accepted key", "syslog", "2026-03-01T10:11:12", None, "sshd", 77, "Accepted key"),
    ("<11>Mar  1 10:11:12 host app[7]: bad", "syslog", "2026-03-01T10:11:12", "error", "app", 7, "bad"),
    ("Mar  1 10:11:12 host kernel: NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.", "syslog", "2026-03-01T10:11:12", "error", "kernel", None, "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."),
    ("[ 1234.567890] NVRM: GPU at PCI:0000:01:00: GPU-1", "dmesg", "1970-01-01T00:20:34.567890+00:00", None, "NVRM", None, "GPU at PCI:0000:01:00: GPU-1"),
    ("[Sun Mar  1 10:11:12 2026] usb 1-1: new device", "dmesg", "2026-03-01T10:11:12", None, "usb 1-1", None, "new device"),
    ('time=2026-03-01T10:11:12.345Z level=WARN source=sched.go:10 msg="model is loading" size="1 GB"', "logfmt", "2026-03-01T10:11:12.345000+00:00", "warn", None, None, "model is loading"),
    ('[GIN] 2026/03/01 - 10:11:12 | 500 |  1.2s | 127.0.0.1 | POST "/api/chat"', "gin", "2026-03-01T10:11:12", "error", None, None, '1.2s | 127.0.0.1 | POST "/api/chat"'),
    ("INFO 03-01 10:11:12 [engine.py:310] Avg prompt throughput: 3 tokens/s", "vllm", "2026-03-01T10:11:12", "info", "engine.py:310", None, "Avg prompt throughput: 3 tokens/s"),
    ("(EngineCore pid=77) INFO 03-01 10:11:12 [core.py:58] ready", "vllm", "2026-03-01T10:11:12", "info", "core.py:58", 77, "ready"),
    ("llama_model_loader: loaded meta data with 20 pairs", "llamacpp", None, None, "llama_model_loader", None, "loaded meta data with 20 pairs"),
    ("I0301 10:11:12.345678    77 server.cc:42] started", "glog", "2026-03-01T10:11:12.345678", "info", "server.cc:42", 77, "started"),
    ('127.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "GET /x HTTP/1.1" 404 12 "-" "curl"', "access", UTC_TIME, "warn", None, None, '"GET /x HTTP/1.1" 404 12 "-" "curl"'),
    ("[Sun Mar 01 10:11:12.345678 2026] [core:error] [pid 77:tid 88] AH1: bad", "apache", "2026-03-01T10:11:12.345678", "error", "core", 77, "AH1: bad"),
    ("2026/03/01 10:11:12 [crit] 77#0: *3 connect() failed", "nginx", "2026-03-01T10:11:12", "fatal", None, 77, "connect() failed"),
    ("2026-03-01 10:11:12.345 UTC [77] LOG:  ready", "postgres", "2026-03-01T10:11:12.345000+00:00", "info", None, 77, "ready"),
    ("77:M 01 Mar 2026 10:11:12.345 # Warning: low memory", "redis", "2026-03-01T10:11:12.345000", "warn", None, 77, "Warning: low memory"),
    ("26/03/01 10:11:12 INFO storage.BlockManager: put", "log4j", "2026-03-01T10:11:12", "info", "storage.BlockManager", None, "put"),
    ("260301 101112 15 WARN dfs.DataNode: late", "hdfs", "2026-03-01T10:11:12", "warn", "dfs.DataNode", 15, "late"),
    ("2026-03-01 10:11:12,345 INFO [main] org.apache.App: up", "java", "2026-03-01T10:11:12.345000", "info", "org.apache.App", None, "up"),
    ("2026-03-01T10:11:12.345Z  INFO 77 --- [main] c.e.App : up", "java", "2026-03-01T10:11:12.345000+00:00", "info", "c.e.App", 77, "up"),
    ("2026-03-01 10:11:12.345 77 INFO nova.compute [req-1] up", "openstack", "2026-03-01T10:11:12.345000", "info", "nova.compute", 77, "up"),
    ("[2026-03-01T10:11:12Z ERROR my_app::db] gone", "rust", UTC_TIME, "error", "my_app::db", None, "gone"),
    ("2026-03-01T10:11:12.345678Z  WARN my_app::db: gone", "rust", "2026-03-01T10:11:12.345678+00:00", "warn", "my_app::db", None, "gone"),
    ("[2026-03-01 10:11:12] production.CRITICAL: down {}", "laravel", "2026-03-01T10:11:12", "fatal", "production", None, "down {}"),
    ("2026/03/01 10:11:12 main.go:12: listening", "go", "2026-03-01T10:11:12", None, "main.go:12", None, "listening"),
    ("2026-03-01T10:11:12Z something happened", "generic", UTC_TIME, None, None, None, "something happened"),
    ("1772359872.5 tick", "generic", "2026-03-01T10:11:12.500000+00:00", None, None, None, "tick"),
    ('{"time":"2026-03-01T10:11:12Z","level":"ERROR","msg":"bad","pid":77}', "json", UTC_TIME, "error", None, 77, "bad"),
    ('{"ts":1772359872.5,"lvl":"dbg","message":"m","logger":"a.b"}', "json", "2026-03-01T10:11:12.500000+00:00", "debug", "a.b", None, "m"),
    ('{"level":30,"time":1772359872000,"pid":77,"hostname":"h","msg":"pino"}', "json", UTC_TIME, "info", None, 77, "pino"),
    ('{"timestamp": 1772359872000000000, "levelname": "WARNING", "event": "structlog"}', "json", UTC_TIME, "warn", None, None, "structlog"),
    ('{"@timestamp":"2026-03-01T10:11:12Z","log.level":"info","message":"ecs"}', "json", UTC_TIME, "info", None, None, "ecs"),
    ('{"text":"x\\n","record":{"time":{"repr":"","timestamp":1772359872.0},"level":{"name":"INFO","no":20},"message":"loguru","process":{"id":77}}}', "json", UTC_TIME, "info", None, 77, "loguru"),
    ('{"log":"ERROR: boom\\n","stream":"stderr","time":"2026-03-01T10:11:12.0Z"}', "docker", UTC_TIME, "error", None, None, "ERROR: boom"),
    ("web-1  | 2026-03-01T10:11:12.345Z hello", "compose", "2026-03-01T10:11:12.345000+00:00", None, None, None, "hello"),
    ("@4000000069a4134a1490b528 svc: up", "tai64n", "2026-03-01T10:21:52.345027+00:00", None, "svc", None, "up"),
    ("2026-03-01 10:11:12 UTC:10.0.0.7(5310):ann@shop:[77]:ERROR:  gone", "postgres", UTC_TIME, "error", None, 77, "gone"),
    ('2026-03-01 10:11:12 UTC,"ann","shop",77,"10.0.0.7:53",6a1.4d,3,"SELECT",2026-03-01 10:11:00 UTC,3/4,0,ERROR,22012,"gone"', "postgres", UTC_TIME, "error", None, 77, '"gone"'),
    ('{"timestamp":"2026-03-01T10:11:12Z","pid":77,"error_severity":"ERROR","message":"gone"}', "json", UTC_TIME, "error", None, 77, "gone"),
    ('{"t":{"$date":"2026-03-01T10:11:12Z"},"s":"D1","msg":"gone"}', "json", UTC_TIME, "debug", None, None, "gone"),
    ("Just a line of text", "plain", None, None, None, None, "Just a line of text"),
]  # fmt: skip


def micros(text: str | None) -> int | None:
    """The time of a sample; without a zone it is local."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return int(moment.astimezone().timestamp() * 1_000_000 + 0.5)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample[0][:40] for sample in SAMPLES])
def test_a_line_of_each_format(sample: tuple[Any, ...]) -> None:
    """A line by itself is recognised, and taken apart rightly; prefix and message make the line."""
    line, name, time, level, logger, pid, message = sample
    found = Registry().first(line, TimeReader(lambda: NOW))
    if name == "plain":
        assert found is None
        return
    assert found is not None
    fmt, header = found
    assert (name or fmt.name, header.message, header.pid) == (fmt.name, message, pid)
    assert (header.ts, logs.core.levels.NAMES.get(header.level)) == (micros(time), level)
    assert logger is None or header.logger == logger
    assert header.whole or header.prefix + header.message == line


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample[0][:40] for sample in SAMPLES])
def test_a_file_of_each_format(sample: tuple[Any, ...], tmp_path: Path) -> None:
    """A file of such lines is read the same way at once as line by line."""
    line, _, time, level, _, pid, message = sample
    path = tmp_path / "a.log"
    path.write_text(f"{line}\n" * 30)
    import os

    os.utime(path, (NOW / 1e6, NOW / 1e6))
    rows = list(logs.parse_file(path))
    assert len(rows) == 30
    assert {(row["level"], row["pid"], row["body"]) for row in rows} == {(level, pid, message)}
    said = micros(time)
    right = (
        NOW if said is not None and said < 86_400_000_000 else said
    )  # counted from a start: the last one is of when the file was written
    assert {micros(row["ts"]) for row in rows} == {right}
    assert [row["line_no"] for row in rows] == list(range(1, 31))


def test_a_format_can_be_forced(tmp_path: Path) -> None:
    """With a format named, nothing else is tried; an unknown one is refused with the known names."""
    path = tmp_path / "a.log"
    path.write_text('{"msg": "x"}\n2026-03-01 10:11:12,345 - a - INFO - y\n')
    assert [row["format"] for row in logs.parse_file(path, "python")] == ["plain", "python"]
    assert [row["format"] for row in logs.parse_file(path, "plain")] == ["plain", "plain"]
    with pytest.raises(LogsError, match="no log format") as caught:
        list(logs.parse_file(path, "cobol"))
    assert "python" in caught.value.hint


def test_colours_do_not_hide_the_format(tmp_path: Path) -> None:
    """Terminal codes are not in the message, and do not keep a line from being recognised."""
    path = tmp_path / "a.log"
    path.write_text(
        "\x1b[32m2026-03-01 10:11:12.345\x1b[0m | \x1b[31mERROR   \x1b[0m | \x1b[36ma\x1b[0m:\x1b[36mb\x1b[0m:\x1b[36m1\x1b[0m - \x1b[1mbad\x1b[0m\n"
    )
    row = next(logs.parse_file(path))
    assert (row["format"], row["level"], row["body"]) == ("loguru", "error", "bad")


@given(st.text(max_size=200))
def test_no_line_breaks_a_format(line: str) -> None:
    """Whatever a line holds, each format reads it or says no."""
    registry, times = Registry(), TimeReader(lambda: NOW)
    for name in registry.names():
        for fmt in registry.named(name):
            header = fmt.read(line, times)
            assert header is None or header.whole or header.prefix + header.message == line


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - hypothesis adds the zone
    st.sampled_from(["Z", "+00:00", "+0530", "-08:00", " +0100", "-03"]),
)
def test_iso_times_are_exact(moment: datetime, zone: str) -> None:
    """Any ISO time with a zone is read to the microsecond."""
    text = moment.isoformat(timespec="microseconds") + zone
    offset = {"Z": "+00:00", "+0530": "+05:30", " +0100": "+01:00", "-03": "-03:00"}.get(zone, zone)
    expected = datetime.fromisoformat(moment.isoformat() + offset) - datetime(1970, 1, 1, tzinfo=UTC)
    assert (
        TimeReader(lambda: NOW).iso(text)
        == expected.days * 86_400_000_000 + expected.seconds * 1_000_000 + expected.microseconds
    )


def test_a_year_is_guessed_backwards() -> None:
    """At New Year, a December line belongs to the year before; a leap day to the last leap year."""
    new_year = int(datetime(2027, 1, 1, 0, 5, tzinfo=UTC).timestamp() * 1_000_000)
    times = TimeReader(lambda: new_year)
    december, leap = times.no_year("Dec 31 23:59:58"), times.no_year("Feb 29 10:00:00")
    assert december is not None
    assert datetime.fromtimestamp(december / 1e6).year == 2026  # noqa: DTZ006 - a local time was read
    assert leap is not None
    assert datetime.fromtimestamp(leap / 1e6).year == 2024  # noqa: DTZ006


def test_a_person_names_the_format_of_followed_files(start: Callable[..., Watch], tmp_path: Path) -> None:
    """A named format is used from the first line on, also by an ingest; other files are left to their own; a changed name holds from the next line on."""
    mine, other = tmp_path / "mine.log", tmp_path / "other.log"
    line = b"time=2026-03-01T10:00:00Z level=warn msg=first\n"
    mine.write_bytes(line)
    other.write_bytes(line)
    watch = start((str(tmp_path / "*.log"),), formats=(f"{tmp_path}/mine*=plain",))
    wait_until(lambda: len(watch.records()) == 2)
    assert {record.source: record.format for record in watch.records()} == {"mine": "plain", "other": "logfmt"}
    assert watch.messages(source="mine") == [line.decode().strip()]
    watch.service.configure(replace(watch.service.settings, formats=(f"{tmp_path}/mine*=logfmt",)))
    with mine.open("ab") as file:
        file.write(line.replace(b"first", b"second"))
    wait_until(lambda: watch.messages(source="mine")[-1] == "second")
    kept = tmp_path / "mine2.old"
    kept.write_bytes(line)
    watch.service.configure(replace(watch.service.settings, formats=(f"{tmp_path}/mine*=plain",)))
    watch.ingest(kept)
    assert {record.format for record in watch.records(source="mine2*")} == {"plain"}


def test_a_format_that_is_none_is_told(start: Callable[..., Watch], tmp_path: Path) -> None:
    """The check before it is saved names the known ones; a file that was changed by hand is told in the status, and the rest is read."""
    with pytest.raises(LogsError, match="Known: "):
        check_forced(["/x/*=klingon"])
    check_forced(["/x/*=json", "~/a=b.log=plain"])
    path = tmp_path / "a.log"
    path.write_bytes(b"2026-03-01 10:00:00,000 INFO a: x\n")
    watch = start((str(path),), formats=("*=klingon",))
    wait_until(watch.records)
    assert any("klingon" in error for error in watch.service.health()["errors"])
