"""The live socket of a real agent."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any, TextIO

from websockets.sync.client import ClientConnection, unix_connect

from monitor.api_models.logs import RecordDetail
from monitor.api_models.status import Subscription
from monitor.client.client import Client, Live
from tests.waiting import Deadline, patient, wait_until


def connection_to(api: Client) -> ClientConnection:
    """A bare connection to the live socket, for what the client would not send."""
    assert api.endpoint.socket is not None
    return unix_connect(api.endpoint.socket, "ws://agent/v1/live", close_timeout=1)


def frame_where(live: Live, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first frame that is wanted."""
    return wait_until(lambda: wanted(frame := live.receive(patient(15))) and frame, "the frame comes")


def test_hello_then_ticks(api: Client) -> None:
    """A subscriber is greeted with the machine and its last minutes, and then hears a tick a second."""
    with api.live(Subscription(processes=True)) as live:
        hello = live.receive(patient(5))
        assert hello["t"] == "hello"
        assert hello["host"]["cpu_count"] >= 1
        assert len(hello["history"]["ts"]) == len(hello["history"]["series"]["cpu_pct"]) >= 1
        first = frame_where(live, lambda f: f["t"] == "tick")
        second = frame_where(live, lambda f: f["t"] == "tick")
        assert second["seq"] > first["seq"]
        assert second["ts"] > first["ts"]
        assert second["samples"]["received"] == first["samples"]["received"] + 1


def test_processes_come_whole_and_then_as_changes(api: Client) -> None:
    """The first picture holds every process; later ones what was born, changed and went."""
    with api.live(Subscription(host=False, processes=True, status=False)) as live:
        full = frame_where(live, lambda f: f["t"] == "procs")
        assert full["full"]
        assert {row[0] for row in full["rows"]} == {born["run"] for born in full["born"]}
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
            try:
                born = frame_where(live, lambda f: f["t"] == "procs" and any(b["pid"] == child.pid for b in f["born"]))
            finally:
                child.kill()
            assert not born["full"]
            assert len(born["rows"]) <= len(full["rows"]) + 50
            run = next(b["run"] for b in born["born"] if b["pid"] == child.pid)
        frame_where(live, lambda f: f["t"] == "procs" and run in f["gone"])


def test_a_line_reaches_the_subscriber(api: Client, running_agent: Any) -> None:
    """A line appended to a followed file is sent, by filter; others are not."""
    path = running_agent.logs_dir / "live.log"
    path.write_text("2026-11-20 10:00:00,000 INFO live: begin\n", "utf-8")
    wish = Subscription(host=False, status=False, logs={"q": "wanted"}, logs_columns=["n"], history_s=0)
    with api.live(wish) as live:
        assert live.receive(patient(5))["t"] == "hello"
        seen: list[str] = []
        columns: list[dict[str, str]] = []
        number = 0
        deadline = Deadline(20)
        while not seen and not deadline.passed:
            number += 1
            with path.open("a", encoding="utf-8") as out:
                out.write(
                    f"2026-11-20 10:00:01,000 WARNING live: wanted n={number}\n2026-11-20 10:00:01,000 INFO live: other\n"
                )
            try:
                frame = live.receive(0.5)
            except TimeoutError:
                continue
            assert frame["t"] == "logs"
            seen += [record["message"] for record in frame["records"]]
            columns += [record["columns"] for record in frame["records"]]
        assert seen
        assert columns == [{"n": message.rpartition("=")[2]} for message in seen]
        assert all("wanted" in message for message in seen)


def test_nothing_is_missing_between_the_store_and_the_stream(api: Client, running_agent: Any) -> None:
    """A record told, but not stored yet, can be opened, and comes to one who subscribes now and asks the store at once."""
    path = running_agent.logs_dir / "seam.log"
    wish = Subscription(host=False, status=False, logs={"q": "seam"}, history_s=1)

    def messages(frame: dict[str, Any]) -> set[str]:
        return {record["message"] for record in frame.get("records", [])}

    def write(out: TextIO, line: str) -> None:
        out.write(f"2026-11-20 10:00:00,000 INFO seam: {line}\n")
        out.flush()

    with path.open("a", encoding="utf-8") as out, api.live(wish) as first:
        write(out, "seam begins")
        wait_until(lambda: api.log_count({"q": "seam begins"}).count, "the first line is stored")
        for tag in range(1, 6):
            line = f"seam {tag} of 5"
            write(out, line)
            told = frame_where(first, lambda f, line=line: line in messages(f))
            record = next(record["id"] for record in told["records"] if record["message"] == line)
            if tag == 1:  # it can be opened at once, too
                assert api.get(RecordDetail, f"/v1/logs/records/{record}").message == line
                continue
            with api.live(wish.model_copy(update={"logs_tag": tag})) as second:
                stored = {record.message for record in api.log_records({"q": "seam"}).records}
                while line not in stored:
                    frame = frame_where(second, lambda f: f["t"] == "logs")
                    assert frame["tag"] == tag
                    stored |= messages(frame)


def test_wrong_wishes_are_answered(api: Client) -> None:
    """A wish that makes no sense is answered with an error; the connection goes on, and with it whatever else was wished."""
    with connection_to(api) as connection:
        live = Live(connection, api.endpoint)
        live.subscribe(Subscription(host=False, status=False))
        assert live.receive(patient(5))["t"] == "hello"
        for wrong in ('{"subscribe": {"history_s": "long"}}', "nonsense", "", b"", b"\xff\x00", b"[" * 100_000):
            connection.send(wrong)
            error = frame_where(live, lambda f: f["t"] == "error")["error"]
            assert error["message"][0].isalpha()
            assert "subscribe" in error["hint"]
        connection.send(b'{"subscribe": {"host": true, "status": false}}')
        frame_where(live, lambda f: f["t"] == "tick")
        live.subscribe(Subscription(host=True, status=False, logs={"level": "loud"}))
        assert "loud" in frame_where(live, lambda f: f["t"] == "error")["error"]["message"]
        frame_where(live, lambda f: f["t"] == "tick")


def test_status_frames(api: Client) -> None:
    """The slower news come too."""
    with api.live(Subscription(host=False, status=True)) as live:
        frame = frame_where(live, lambda f: f["t"] == "status")
        assert frame["store"]["state"] == "ok"
        assert frame["processes"] > 0
        assert frame["errors"]["last_10_min"] >= 0


def test_leavers_are_forgotten(api: Client) -> None:
    """A subscriber that goes, politely or not, is no longer counted."""
    before = api.status().live.subscribers
    with connection_to(api) as connection:
        live = Live(connection, api.endpoint)
        live.subscribe(Subscription())
        live.receive(patient(5))
        assert api.status().live.subscribers == before + 1
        connection.socket.close()
    wait_until(lambda: api.status().live.subscribers == before)
