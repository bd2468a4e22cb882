"""Every route of the agent, asked of a real one."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from monitor.api_models.base import ErrorAnswer, QueryAnswer
from monitor.api_models.log_patterns import LogChanges, LogPatterns, SlowingPatterns
from monitor.api_models.logs import (
    IngestJob,
    IngestStarted,
    LogContext,
    LogCount,
    LogErrors,
    LogFacets,
    LogHistogram,
    LogPage,
    LogSources,
    OwnFormats,
    Record,
    RecordDetail,
)
from monitor.api_models.machine import Engines, HostLatest
from monitor.api_models.processes import Processes, ProcessGroups, Run
from monitor.api_models.status import SettingsInfo, Status, Subscription
from monitor.client.client import Client, Refused
from monitor.metrics.history import GpuSeries, Series
from tests.waiting import patient, wait_until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a hostile command line."""
    command = [
        sys.executable,
        "-c",
        "import time; time.sleep(600)",
        "<script>alert(1)</script>",
        "a\nb\x1b[31m",
        "--password=hunter22",
    ]
    with subprocess.Popen(command) as child:
        yield child
        child.kill()


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("status", Status),
        ("host/latest", HostLatest),
        ("host/series", Series),
        ("gpu/series", GpuSeries),
        ("processes", Processes),
        ("runs/{run}", Run),
        ("runs/{run}/series", Series),
        ("logs/records", LogPage),
        ("logs/records/{record}", RecordDetail),
        ("logs/records/{record}/context", LogContext),
        ("logs/count", LogCount),
        ("logs/histogram", LogHistogram),
        ("logs/facets", LogFacets),
        ("logs/errors", LogErrors),
        ("logs/patterns", LogPatterns),
        ("logs/changes", LogChanges),
        ("logs/slowing", SlowingPatterns),
        ("logs/sources", LogSources),
        ("groups", ProcessGroups),
        ("logs/formats", OwnFormats),
        ("engines", Engines),
        ("settings", SettingsInfo),
    ],
)
def test_an_answer_has_the_fields_of_its_shape(api: Client, record: Record, path: str, shape: Any) -> None:
    """What the agent answers has every field of the shape that the client reads, and no other."""
    now = time.time_ns() // 1000
    wait_until(lambda: api.host_latest().ts)
    run = wait_until(lambda: api.processes().processes)[0].run
    wanted = {"metrics": "cpu_pct", "from": now - 60_000_000, "to": now} if path.endswith("series") else {}
    raw = api.request("GET", f"/v1/{path.format(run=run, record=record.id)}", params=wanted).json()
    adapter = TypeAdapter(shape)
    assert raw == json.loads(adapter.dump_json(adapter.validate_python(raw), by_alias=True))


def test_answers_to_orders_have_the_fields_of_their_shapes(api: Client, running_agent: Any, tmp_path: Path) -> None:
    """So do the answers to a question in SQL, to an ingest, and to something that is wrong."""
    socket = httpx.HTTPTransport(uds=str(running_agent.data_dir / "agent.sock"))
    (tmp_path / "a.log").write_text("2026-11-20 10:00:00,123 INFO worker: it begins\n")
    started = api.request("POST", "/v1/logs/ingest", body={"paths": [str(tmp_path / "a.log")]}).json()
    with httpx.Client(transport=socket, base_url="http://agent") as http:
        wrong = [http.get(path).json() for path in ("/v1/runs/1", "/v1/host/series", "/v1/nothing")]
    answered: list[tuple[Any, Any]] = [
        (started, IngestStarted),
        (api.request("GET", f"/v1/logs/ingest/{started['job']}").json(), IngestJob),
        (api.request("POST", "/v1/query", body={"sql": "SELECT 1 AS one"}).json(), QueryAnswer),
        *((raw, ErrorAnswer) for raw in wrong),
    ]
    for raw, shape in answered:
        assert raw == shape.model_validate(raw).model_dump(mode="json", by_alias=True)


def arrow(api: Client, path: str, params: dict[str, Any] | None = None) -> pa.Table:
    """The Arrow answer of a route that has one."""
    answer = api.request("GET", path, params=params, accept="application/vnd.apache.arrow.stream")
    return pa.ipc.open_stream(answer.content).read_all()


def test_status_names_processes_and_counts(api: Client, running_agent: Any) -> None:
    """The status names this agent, its sampler, its socket, and counts samples."""
    status = api.status()
    assert status.agent.pid == running_agent.pid
    assert status.sampler.state == "running"
    assert Path(f"/proc/{status.sampler.pid}").exists()
    assert status.samples.received >= 1
    assert status.samples.expected >= status.samples.received
    assert status.store.state == "ok"
    assert status.data_dir == str(running_agent.data_dir)


def test_the_socket_is_private(running_agent: Any) -> None:
    """Nobody but the owner can reach the agent."""
    socket = Path(running_agent.api.status().socket)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE((running_agent.data_dir / "agent.json").stat().st_mode) == 0o600


def test_host_latest_and_series(api: Client) -> None:
    """The newest reading is there, and the same metric comes back from the store in buckets."""
    latest = wait_until(lambda: (found := api.host_latest()).host and found.host.cpu_pct is not None and found)
    assert 0 <= latest.host.cpu_pct <= 100
    assert latest.host.mem_total > 0
    now = time.time_ns() // 1000

    def filled() -> Any:
        series = api.get(
            Series,
            "/v1/host/series",
            {"metrics": "cpu_pct,mem_used", "from": now - 60_000_000, "to": now + 10_000_000, "points": 7},
        )
        assert len(series.ts) <= 7
        return [v for v in series.series["mem_used"].avg if v is not None]

    assert wait_until(filled)


def test_series_as_arrow(api: Client) -> None:
    """A series comes as an Arrow table with one column a statistic."""
    now = time.time_ns() // 1000
    params = {"metrics": "cpu_pct", "from": now - 60_000_000, "to": now, "points": 10}
    assert arrow(api, "/v1/host/series", params).column_names == ["ts", "cpu_pct_avg", "cpu_pct_min", "cpu_pct_max"]


def test_gpu_series_without_a_gpu(api: Client) -> None:
    """No GPU: an empty list, not an error."""
    assert api.get(GpuSeries, "/v1/gpu/series", {"from": 1, "to": 2_000_000}).gpus == [] or api.status().gpu.count > 0


def test_processes_hold_this_one(api: Client, sleeper: Any) -> None:
    """A process shows with its hostile command line as plain text, its secret masked, as one of mine."""

    def find() -> Any:
        return next((p for p in api.processes().processes if p.pid == sleeper.pid and "script" in p.cmdline), None)

    found = wait_until(find, "the process is seen")
    assert "<script>alert(1)</script>" in found.cmdline
    assert "hunter22" not in found.cmdline
    assert found.mine
    assert found.rss > 0
    assert arrow(api, "/v1/processes").num_rows > 0


def test_a_megabyte_of_broken_text_passes_the_whole_chain(api: Client) -> None:
    """A command line of 1 MB of invalid UTF-8 is cut and readable in the list, the live socket, the run and the store."""
    words = [b"/bin/sh", b"-c", b"read line", b"--token=hunter22hunter22", *[b"\xff\xfe\x1b[2J" * 20_000] * 8]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as child:
        try:
            found = wait_until(
                lambda: next(
                    (p for p in api.processes().processes if p.pid == child.pid and "read" in p.cmdline), None
                ),
                "its own command line, not that of the process it was forked from",
            )
            assert found.cmdline.startswith("/bin/sh -c read line --token=***")
            assert len(found.cmdline) == 4096
            assert found.cmdline.encode().decode() == found.cmdline
            assert api.run(found.run).cmdline == found.cmdline
            stored = f"SELECT cmdline FROM runs WHERE pid = {child.pid} ORDER BY first_seen DESC LIMIT 1"
            assert wait_until(lambda: api.query(stored).rows)[0][0] == found.cmdline
            with api.live(Subscription(host=False, status=False, processes=True)) as live:
                frame = wait_until(lambda: (f := live.receive(patient(5)))["t"] == "procs" and f)
            assert found.cmdline in {born["cmdline"] for born in frame["born"]}
        finally:
            child.kill()


def test_a_run_and_its_series(api: Client, sleeper: Any) -> None:
    """One life of a process: parent, readings over time, and its end once it is gone."""
    found = wait_until(lambda: next((p for p in api.processes().processes if p.pid == sleeper.pid), None))
    run = api.run(found.run)
    assert run.pid == sleeper.pid
    assert run.parent is not None
    assert run.parent.pid == os.getpid()
    assert run.end_ts is None
    now = time.time_ns() // 1000

    def readings() -> Any:
        series = api.get(
            Series, f"/v1/runs/{found.run}/series", {"from": now - 60_000_000, "to": now + 60_000_000, "points": 50}
        )
        return [v for v in series.series["rss"].avg if v is not None]

    assert wait_until(readings)
    sleeper.kill()
    sleeper.wait()
    ended = wait_until(lambda: (r := api.run(found.run)).end_ts and r, "its end is stored")
    assert ended.pid == sleeper.pid
    assert ended.peak_rss is not None
    assert ended.peak_rss >= (ended.rss or 1)
    assert ended.cpu_seconds is not None
    assert 0 <= ended.cpu_seconds < 60


def test_a_run_that_came_and_went_is_known_at_once(api: Client) -> None:
    """Between the last sweep that saw it and its storing, a short life is answered too."""
    for _ in range(3):
        with subprocess.Popen(["sleep", "60"]) as child:
            try:
                found = wait_until(lambda: next((p for p in api.processes().processes if p.pid == child.pid), None))
            finally:
                child.kill()
        run = found.run
        wait_until(lambda run=run: all(p.run != run for p in api.processes().processes), "it is seen to be gone")
        assert api.run(run).pid == child.pid


def test_no_such_run(api: Client) -> None:
    """What is not there is a 404 with a hint."""
    for run in ("12", "x", "9" * 29):
        with pytest.raises(Refused) as caught:
            api.run(run)
        assert caught.value.status == 404
        assert caught.value.hint


def test_groups_of_processes_sum_what_their_members_use(api: Client) -> None:
    """Every process that is no kernel thread is in one group, under the name that its own row has."""
    wait_until(lambda: api.groups().groups)
    rows = [one for one in api.processes().processes if not one.kernel_thread]
    groups = {one.name: one for one in api.groups().groups}
    assert {one.unit or "" for one in rows} & set(groups)
    assert abs(sum(one.processes for one in groups.values()) - len(rows)) < 20, "some began or ended meanwhile"
    assert all(one.rss >= 0 and (one.memory_limit is None or one.memory_limit > 0) for one in groups.values())


def test_engines(api: Client) -> None:
    """Every engine has a state, and one that is not ready a remedy."""
    found = api.refresh_engines()
    assert found.checked is not None
    assert all(engine.detail and (engine.remedy or engine.state == "ready") for engine in found.engines)
    assert {e.name for e in api.engines().engines} == {e.name for e in found.engines}


def test_settings_are_checked_saved_and_applied(api: Client, running_agent: Any) -> None:
    """A right value is written without losing comments; a wrong one changes nothing and says why."""
    with pytest.raises(Refused) as caught:
        api.save_settings({"store.limit_mb": 1, "engines.check_s": 20})
    assert set(caught.value.problems) == {"store.limit_mb"}
    saved = {s.key: s for s in api.save_settings({"engines.check_s": 20.0, "sampling.interval_s": 2.0}).settings}
    assert saved["engines.check_s"].value == 20.0
    assert saved["engines.check_s"].origin == "file"
    answer = api.save_settings({"sampling.interval_s": None})
    assert "sampling.interval_s" in answer.restart_needed
    text = running_agent.config.read_text("utf-8")
    assert "# kept" in text
    assert "check_s = 20.0" in text
    with pytest.raises(Refused):
        api.save_settings({"auth.users": []})
    with pytest.raises(Refused, match="klingon") as caught:
        api.save_settings({"logs.formats": ["/srv/*.log=klingon"]})
    assert set(caught.value.problems) == {"logs.formats"}


def test_the_agents_files_are_for_their_owner_only(running_agent: Any) -> None:
    """Store and log can be read by nobody else, whatever the directory allows."""
    files = [path for path in running_agent.data_dir.iterdir() if path.is_file()]
    assert {"watchkeeper.duckdb", "agent.log"} <= {path.name for path in files}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_query_is_read_only(api: Client) -> None:
    """SELECT answers; writing, files and settings are refused; large integers arrive as text."""
    wait_until(lambda: api.query("SELECT count(*) FROM run_samples").rows[0][0] > 1, "a second is stored")
    answer = api.query("SELECT run, ts FROM run_samples LIMIT 2", limit=1)
    assert answer.truncated
    assert answer.columns == ["run", "ts"]
    assert isinstance(answer.rows[0][0], str | int)
    for sql in (
        "DELETE FROM runs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY runs TO '/tmp/x'",
        "SELEKT",
        "SELECT 1; SELECT 2",
    ):
        with pytest.raises(Refused) as caught:
            api.query(sql)
        assert caught.value.status == 400, sql


def test_query_answers_with_any_value(api: Client) -> None:
    """Every type of the engine, with its smallest and greatest value, becomes JSON; what Python cannot hold, text."""
    answer = api.query("SELECT * FROM test_all_types()")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert [row["bool"] for row in rows] == [False, True, None]
    assert isinstance(rows[1]["timestamp"], str)
    assert rows[1]["bigint"] == str(2**63 - 1)
    assert rows[0]["timestamp_array"] == []


def test_openapi_describes_every_route(api: Client) -> None:
    """Every route and parameter has words, and errors are documented."""
    paths = api.get_json("/openapi.json")["paths"]
    for path, methods in paths.items():
        for method, route in methods.items():
            assert route["summary"], (path, method)
            assert route["description"], (path, method)
            assert {"400", "404", "503", "504"} <= set(route["responses"]), (path, method)
            assert {"200", "202"} & set(route["responses"]), (path, method)
    docs = Path(__file__).parents[3] / "docs"
    design = "".join((docs / name).read_text("utf-8") for name in ("design.md", "ai.md"))
    for path in paths:
        assert path.split("{")[0].rstrip("/") in design, path


def test_errors_have_one_shape(api: Client) -> None:
    """Unknown paths, wrong methods and wrong bodies answer the same shape."""
    socket = api.endpoint.socket
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url="http://agent") as raw:
        for answer in (
            raw.get("/v1/nope"),
            raw.post("/v1/status"),
            raw.post("/v1/query", content=b"\xff{"),
            raw.get("/v1/host/series"),
        ):
            assert set(answer.json()["error"]) >= {"kind", "message", "hint"}
            assert answer.status_code >= 400


def test_a_query_whose_client_has_gone_ends(running_agent: Any) -> None:
    """A client that closes its connection takes its running query with it, process and all, long before the deadline."""
    endless = "SELECT count(*) FROM range(4000000) a, range(4000000) b WHERE a.range * b.range % 7 = 3"
    transport = httpx.HTTPTransport(uds=str(running_agent.data_dir / "agent.sock"))

    def processes() -> set[int]:
        children = psutil.Process(running_agent.pid).children()
        return {c.pid for c in children if c.status() != psutil.STATUS_ZOMBIE and "adhoc_sql" in " ".join(c.cmdline())}

    with ThreadPoolExecutor(1) as pool, httpx.Client(transport=transport, base_url="http://agent") as client:
        asked = pool.submit(client.post, "/v1/query", json={"sql": endless, "limit": 10}, timeout=httpx.Timeout(3.0))
        running = wait_until(processes, "its process has started")
        with pytest.raises(httpx.ReadTimeout):
            asked.result()
    wait_until(lambda: not processes() & running, "its process has ended", seconds=15)


def test_the_lives_of_a_range_are_those_that_lived_in_it(api: Client, sleeper: Any) -> None:
    """One that runs, one that failed; a range before both has neither."""
    done = subprocess.Popen([sys.executable, "-c", "import sys, time; time.sleep(1.2); sys.exit(3)", "lives-test"])
    done.wait()
    now = time.time_ns() // 1000

    def found() -> dict[int, Any]:
        lives = api.lives(now - 3_600_000_000, time.time_ns() // 1000, {"limit": 5000}).runs
        return {life.pid: life for life in lives}

    lives = wait_until(
        lambda: seen if done.pid in (seen := found()) and sleeper.pid in seen else None, "both lives are stored"
    )
    wait_until(lambda: found()[done.pid].outcome, "the end is stored")
    assert (found()[done.pid].failed, found()[done.pid].outcome) == (True, "exit code 3")
    assert lives[sleeper.pid].ended is None
    assert api.lives(1_000_000, 2_000_000).runs == []
    assert {life.pid for life in api.lives(now - 3_600_000_000, now, {"q": "lives-test"}).runs} == {done.pid}


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT"])
def test_a_method_that_a_route_has_not_is_refused_with_those_it_has(api: Client, method: str) -> None:
    """The answer says what to do."""
    with pytest.raises(Refused, match=f"{method} is no method of /v1/status") as refused:
        api.request(method, "/v1/status")
    assert "GET" in refused.value.hint
