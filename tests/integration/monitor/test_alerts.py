"""Alerts on their whole way: real processes, log files and servers beside a real agent that is killed and started again."""

import contextlib
import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.events import Alert, AlertRuleInfo
from monitor.client.client import Refused
from tests.doubles.forked import COMMANDS
from tests.waiting import wait_until

HOLD = "import sys, threading, time\nfor _ in range(int(sys.argv[1])): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\ntime.sleep(600)"


@pytest.fixture
def agent(running_agent: Any) -> Iterator[Any]:
    """The same with no rules but those that come with it, and nobody to notify."""
    yield running_agent
    for rule in running_agent.api.alerts.rules().rules:
        if not rule.built_in:
            running_agent.api.alerts.remove(rule.name)
    running_agent.api.save_settings({"alerts.webhook": None, "alerts.command": None})


def firing(agent: Any, rule: str) -> list[Alert]:
    """What fires by a rule."""
    return agent.api.alerts.all({"firing": True, "rule": rule}).alerts


def rule_of(agent: Any, name: str) -> AlertRuleInfo:
    """One rule as it stands."""
    return next(one for one in agent.api.alerts.rules().rules if one.name == name)


def stored(agent: Any, id: str, text: str) -> bool:  # noqa: A002 - the field's name
    """Whether the store has an alert with this text in it."""
    return bool(agent.api.query(f"SELECT 1 FROM alerts WHERE id = '{id}' AND details LIKE '%{text}%'").rows)


def write(agent: Any, name: str, *lines: str) -> None:
    """Add lines to a followed file."""
    with (agent.logs_dir / name).open("a", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in lines)


def now() -> str:
    """This moment as a log line has it, in the zone of the agent."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


class Board(http.server.BaseHTTPRequestHandler):
    """Takes notifications; answers what its server says."""

    def do_POST(self) -> None:
        """Keep it."""
        self.server.got.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.server.gate.wait(60)  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def board() -> Iterator[Any]:
    """A server that takes notifications."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Board) as server:
        server.got, server.status, server.gate = queue.Queue(), 200, threading.Event()  # type: ignore[attr-defined]
        server.gate.set()  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def holding(folder: Path, threads: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process with so many threads."""
    script = folder / "many-threads.py"
    script.write_text(HOLD)
    with subprocess.Popen([sys.executable, str(script), str(threads)]) as process:
        try:
            yield process
        finally:
            process.kill()


def events_of(agent: Any, run: str) -> list[str]:
    """The names of the alerts among a run's events."""
    return [event.process_name for event in agent.api.events({"run": run}).events if event.event_type == "ALERT"]


def test_a_reading_of_a_process_fires_and_ends_with_it(agent: Any, tmp_path: Path) -> None:
    """The alert names the process and has a place among its events; its end is told with the reason."""
    agent.api.alerts.save("threads", {"metric": "process.threads", "of": "many-threads.py", "above": 20, "for_s": 1})
    with holding(tmp_path, 30) as process:
        wait_until(lambda: firing(agent, "threads"), "it fires")
        alert = firing(agent, "threads")[0]
        assert alert.pid == process.pid
        assert "many-threads.py" in alert.message
        assert "above 20" in alert.message
        assert rule_of(agent, "threads").state == "firing"
        wait_until(lambda: events_of(agent, alert.run), "its event is stored")
        assert events_of(agent, alert.run) == ["alert threads"]
        assert agent.api.alerts.all({"run": alert.run}).alerts[0].id == alert.id
    wait_until(lambda: not firing(agent, "threads"), "it is over")
    over = agent.api.alerts.all({"rule": "threads"}).alerts[0]
    assert (over.id, over.why) == (alert.id, "the process ended")


def test_a_reading_of_the_machine_names_who_had_most(agent: Any) -> None:
    """Five processes by their run, so that they are known after their end."""
    agent.api.alerts.save("memory", {"metric": "mem.used_pct", "above": 0.01, "for_s": 0})
    wait_until(lambda: firing(agent, "memory"), "it fires")
    alert = firing(agent, "memory")[0]
    assert alert.value is not None
    assert 0.01 < alert.value <= 100
    assert len(alert.culprits) == 5
    assert {one.figure for one in alert.culprits} == {"rss"}
    assert sorted((one.value for one in alert.culprits), reverse=True) == [one.value for one in alert.culprits]
    agent.api.alerts.save("memory", {"enabled": False})
    assert firing(agent, "memory") == []
    assert agent.api.alerts.all({"rule": "memory"}).alerts[0].why == "the rule was removed or switched off"


def test_a_record_fires_with_its_text_and_later_ones_are_counted(agent: Any) -> None:
    """Secrets in it are masked, and what stood in the file before is no news."""
    write(agent, "alerts.log", "2026-11-20 10:00:00 ERROR worker: needle of last week")
    wait_until(lambda: agent.api.log_count({"q": "last week"}).count)
    agent.api.alerts.save("needles", {"records": "level>=error needle -ignored", "within_s": 600})
    stamp = now()
    write(agent, "alerts.log", f"{stamp} INFO a needle", f"{stamp} ERROR needle password=hunter2hunter2")
    wait_until(lambda: firing(agent, "needles"), "it fires")
    write(agent, "alerts.log", f"{stamp} ERROR needle ignored", f"{stamp} ERROR second needle")
    wait_until(lambda: firing(agent, "needles")[0].count == 2, "the second one is counted")
    alert = firing(agent, "needles")[0]
    assert "hunter2" not in alert.model_dump_json()
    assert [record.source for record in alert.records] == ["alerts", "alerts"]
    assert agent.api.get_json(f"/v1/logs/records/{alert.records[0].id}")["message"].startswith("needle")


def test_a_pattern_is_asked_of_the_store(agent: Any) -> None:
    """A query that no live record can be tried for. What was there before the rule is no news; the first one after it is, however soon it comes."""
    write(agent, "patterns.log", *(f"{now()},000 WARN connection {n} to the shard lost" for n in range(20)))
    wait_until(lambda: agent.api.log_count({"q": "the shard lost"}).count == 20)
    found = agent.api.log_patterns({"q": "the shard lost"}).patterns
    agent.api.alerts.save("shards", {"records": f"pattern:{found[0].number}"})
    assert firing(agent, "shards") == []
    write(agent, "patterns.log", f"{now()},999 WARN connection 77 to the shard lost")
    wait_until(lambda: firing(agent, "shards"), "it fires")
    (alert,) = firing(agent, "shards")
    assert [(record.message, alert.count) for record in alert.records] == [("connection 77 to the shard lost", 1)]


def test_a_failing_process_fires_and_an_agent_that_starts_again_tells_nothing_twice(
    agent: Any, board: Any, tmp_path: Path
) -> None:
    """The alert of the time before goes on: the same id, one notification."""
    agent.api.save_settings({"alerts.webhook": f"http://127.0.0.1:{board.server_port}/hook"})
    agent.api.alerts.save("nightly", {"fails": "nightly-import", "within_s": 900})
    script = tmp_path / "nightly-import.py"
    script.write_text("import sys, time\ntime.sleep(4)\nsys.exit('disk quota exceeded')")
    subprocess.run([sys.executable, str(script)], check=False, stderr=subprocess.DEVNULL)
    wait_until(lambda: firing(agent, "nightly"), "it fires")
    told = board.got.get(timeout=60)
    assert (told["state"], told["alert"]["rule"]) == ("firing", "nightly")
    assert "nightly-import.py" in told["text"]
    assert "exit code 1" in told["content"]
    wait_until(lambda: firing(agent, "nightly")[0].notified == "sent")
    alert = firing(agent, "nightly")[0]
    wait_until(lambda: stored(agent, alert.id, '"notified":"sent"'), "the store knows")
    agent.kill()
    agent.start()
    assert [one.id for one in firing(agent, "nightly")] == [alert.id]
    noted = agent.api.alerts.acknowledge(alert.id, by="ann")
    assert noted.acknowledged_by == "ann"
    with pytest.raises(Refused, match="fires now"):
        agent.api.alerts.acknowledge("0" * 32)
    agent.api.alerts.remove("nightly")
    assert board.got.get(timeout=60)["state"] == "over"
    assert board.got.empty()


def test_what_was_over_before_it_was_told_is_told_with_its_end(agent: Any, board: Any, tmp_path: Path) -> None:
    """In this order, however slow the address is."""
    agent.api.save_settings({"alerts.webhook": f"http://127.0.0.1:{board.server_port}/hook"})
    agent.api.alerts.save("short", {"metric": "process.threads", "of": "many-threads.py", "above": 20, "for_s": 0})
    board.gate.clear()
    with holding(tmp_path, 30):
        told = board.got.get(timeout=60)
        assert (told["state"], told["alert"]["rule"]) == ("firing", "short")
    wait_until(lambda: not firing(agent, "short"), "it is over")
    board.gate.set()
    assert board.got.get(timeout=60)["state"] == "over"
    wait_until(lambda: agent.api.alerts.all({"rule": "short"}).alerts[0].notified == "sent")


def test_an_agent_that_starts_tells_what_an_earlier_one_could_not(agent: Any, board: Any) -> None:
    """It ended before the address took it."""
    board.status = 503
    agent.api.save_settings({"alerts.webhook": f"http://127.0.0.1:{board.server_port}/hook"})
    agent.api.alerts.save("busy", {"metric": "procs_total", "above": 0, "for_s": 0})
    first = board.got.get(timeout=60)["alert"]["id"]
    wait_until(lambda: stored(agent, first, '"notified":"being sent"'), "the store knows")
    agent.kill()
    while not board.got.empty():
        board.got.get()
    board.status = 200
    agent.start()
    told = board.got.get(timeout=60)
    assert (told["state"], told["alert"]["id"]) == ("firing", first)
    wait_until(lambda: firing(agent, "busy")[0].notified == "sent")
    agent.api.alerts.remove("busy")
    assert board.got.get(timeout=60)["state"] == "over"


def test_a_notification_that_is_not_taken_says_why(agent: Any, board: Any, tmp_path: Path) -> None:
    """By an address that refuses, by one where nobody listens, and by a command that fails; a test tells at once."""
    with pytest.raises(Refused, match="nobody is to be notified"):
        agent.api.alerts.test()
    board.status = 404
    agent.api.save_settings({"alerts.webhook": f"http://127.0.0.1:{board.server_port}/secret-path"})
    with pytest.raises(Refused, match="answered 404") as refused:
        agent.api.alerts.test()
    assert "secret-path" not in refused.value.message
    board.status = 204
    assert agent.api.alerts.test(by="ann").to == [f"address http://127.0.0.1:{board.server_port}/…"]
    output = tmp_path / "told.json"
    agent.api.save_settings({"alerts.webhook": None, "alerts.command": ["sh", "-c", f"cat > {output}"]})
    agent.api.alerts.test()
    assert json.loads(output.read_text())["state"] == "test"
    agent.api.save_settings({"alerts.command": ["sh", "-c", "echo no such channel >&2; exit 3"]})
    with pytest.raises(Refused, match="sh ended with 3: no such channel"):
        agent.api.alerts.test()


def test_wrong_rules_are_refused_with_the_field(agent: Any) -> None:
    """And nothing is saved."""
    for settings, said in (
        ({"metric": "cpu_pct"}, "needs one of above, below and change"),
        ({"records": "x OR"}, "a term is missing"),
        ({"records": "(open"}, "this bracket is never closed"),
        ({"count": 3}, "give exactly one of"),
        ({"records": "x", "within_s": -1}, "greater than or equal to 1"),
    ):
        with pytest.raises(Refused) as refused:
            agent.api.alerts.save("wrong", settings)
        assert said in refused.value.message
        assert refused.value.status == 400
    names = [one.name for one in agent.api.alerts.save("spaced ", {"metric": "cpu_pct", "above": 1000}).rules]
    assert "spaced" in names
    assert "spaced " not in names
    with pytest.raises(Refused) as refused:
        agent.api.alerts.remove("disk full")
    assert "switch it off" in refused.value.hint
    assert "wrong" not in agent.config.read_text()


def test_the_command_line_has_all_of_it(agent: Any) -> None:
    """Add, list, acknowledge, remove; also a rule with a slash in its name."""

    def said(*words: str) -> str:
        done = COMMANDS.run(["alerts", *words, "--data-dir", str(agent.data_dir)], os.environ)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    added = said("add", "in/out work", "--metric", "cpu_pct", "--above", "0", "--for", "0")
    assert added == "in/out work: CPU above 0 %\n"
    wait_until(lambda: firing(agent, "in/out work"), "it fires")
    assert "in/out work" in said("list", "--firing")
    assert "firing" in said("rules")
    assert "noted 1" in said("acknowledge", "in/out work")
    assert json.loads(said("list", "--rule", "in/out work", "--json"))["alerts"][0]["acknowledged"]
    assert "removed" in said("remove", "in/out work")
    assert "No alert fires" in said("list", "--firing", "--rule", "in/out work")
