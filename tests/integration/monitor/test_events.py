"""Events of processes on their whole way: a real agent sees a real job fail, and a program tells of itself."""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.status import Subscription
from monitor.client.client import Refused
from monitor.lifecycle.delivery import AgentDelivery
from monitor.lifecycle.events import ProcessEventTracker
from tests.doubles.forked import COMMANDS
from tests.waiting import patient, wait_until

ROOT = Path(__file__).resolve().parents[3]
JOB = "import sys, time; time.sleep(0.2 + float(sys.argv[1])); sys.exit(3)"
PROGRAM = """
from watchkeeper import ProcessEventTracker
tracker = ProcessEventTracker()
tracker.log_process_start("nightly import", details={"files": 12})
tracker.log_process_status("nightly import", "half done")
tracker.log_process_completion("nightly import", exit_code=0)
print(tracker.deliver.undelivered)
"""


def command(data_dir: Path, *words: str) -> list[dict[str, Any]]:
    """The lines that `watchkeeper events --json` prints."""
    done = COMMANDS.run(["events", *words, "--json", "--data-dir", str(data_dir)], os.environ)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_failing_job_and_a_program_that_tells_of_itself(running_agent: Any, tmp_path: Path) -> None:
    """Both are on the live socket, in the store, on the command line and in `process_events.log`, with run, readings and exit code."""
    environ = os.environ | {"WATCHKEEPER_DATA_DIR": str(running_agent.data_dir)}
    script = tmp_path / "failing-job.py"  # a program of its own: `python -c` below another is a helper of that
    script.write_text(JOB)
    with running_agent.api.live(Subscription(host=False, status=False, events=True, history_s=0)) as live:
        with subprocess.Popen([sys.executable, str(script), "4"]) as job:
            told = subprocess.run(
                [sys.executable, "-c", PROGRAM],
                cwd=ROOT,
                env=environ,
                capture_output=True,
                text=True,
                check=True,
                timeout=patient(60),
            )
        assert told.stdout == "0\n", told.stderr
        seen: list[dict[str, Any]] = []
        deadline = time.monotonic() + patient(20)
        while time.monotonic() < deadline and [one["pid"] for one in seen].count(job.pid) < 2:
            frame = live.receive(patient(20))
            seen += frame["events"] if frame["t"] == "events" else []
    mine = [one for one in seen if one["pid"] == job.pid]
    assert [one["event_type"] for one in mine] == ["START", mine[1]["event_type"]]
    assert mine[1]["event_type"] in {"ERROR", "STOP"}  # who may not be told has no code
    if mine[1]["event_type"] == "ERROR":
        assert mine[1]["details"]["exit_code"] == 3
    assert mine[0]["performance"]["rss"] > 0
    assert {one["event_type"] for one in seen if one["process_name"] == "nightly import"} == {
        "START",
        "STATUS_CHANGE",
        "COMPLETE",
    }
    found = wait_until(
        lambda: (f := running_agent.api.events({"q": "failing-job"})) and f.total == 2 and f, "they are stored"
    )
    assert [one.event_type for one in found.events] == [mine[1]["event_type"], "START"]
    assert found.events[0].run == mine[0]["run"]
    assert [one["event_type"] for one in command(running_agent.data_dir, "nightly import")] == [
        "START",
        "STATUS_CHANGE",
        "COMPLETE",
    ]
    assert [one["details"]["files"] for one in command(running_agent.data_dir, "nightly", "--type", "start")] == [12]
    assert command(running_agent.data_dir, "--type", "ERROR", "nightly") == []
    assert command(running_agent.data_dir, "nightly", "--since", "2h", "--until", "1h") == []
    lines = [json.loads(line) for line in (running_agent.data_dir / "process_events.log").read_text().splitlines()]
    assert {one["event_type"] for one in lines if one["pid"] == job.pid} == {"START", mine[1]["event_type"]}


def test_following_prints_what_happens(running_agent: Any) -> None:
    """`events --follow` prints an event that comes later, and the type filter holds there too."""
    tracker = ProcessEventTracker(AgentDelivery(running_agent.data_dir))
    words = [
        "events",
        "--follow",
        "--json",
        "-n",
        "0",
        "--type",
        "STATUS_CHANGE",
        "--data-dir",
        str(running_agent.data_dir),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as following:
        try:
            output = following.stdout
            assert output is not None

            def told() -> bool:  # another one may be listening still: whether this one does shows in what it prints
                tracker.log_process_start("stage")
                tracker.log_process_status("stage", "waits for \x1b[31mthe network")
                return bool(select.select([output], [], [], 0.2)[0])

            wait_until(told, "it listens")
            event = json.loads(output.readline())
        finally:
            following.kill()
    assert (event["event_type"], event["details"]["message"]) == ("STATUS_CHANGE", "waits for \x1b[31mthe network")


def test_without_an_agent_a_program_goes_on(tmp_path: Path) -> None:
    """What cannot be delivered is counted with the reason; after a failure nothing is tried for a while, so nobody waits."""
    now = [0.0]
    delivery = AgentDelivery(tmp_path, clock=lambda: now[0])
    tracker = ProcessEventTracker(delivery)
    assert tracker.log_process_start("job").event_type == "START"
    assert (delivery.undelivered, bool(delivery.problem)) == (1, True)
    tracker.log_process_completion("job", exit_code=0)
    assert delivery.undelivered == 2


def test_what_is_no_event_is_refused(running_agent: Any) -> None:
    """A wrong type, a name that is too long, and more details than a page could show."""
    good = {"timestamp": 1, "process_name": "x", "event_type": "START"}
    for wrong in (
        {"event_type": "BEGIN"},
        {"process_name": "x" * 400},
        {"details": {"text": "x" * 20_000}},
        {"run": "x"},
    ):
        with pytest.raises(Refused) as refused:
            running_agent.api.request("POST", "/v1/events", body=good | wrong)
        assert refused.value.status == 400, wrong
    with pytest.raises(Refused, match="BOOM") as refused:
        running_agent.api.events({"types": "BOOM"})
    with pytest.raises(Refused, match="no level"):
        running_agent.api.events({"pattern_level": "loud"})
    assert "STATUS_CHANGE" in refused.value.hint
