"""Alerts when there is far too much of something: rules that fire all the time, thousands of processes, floods of records."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from logs import LogRecord
from monitor.api_models.events import EventType, Notifications, ProcessEvent
from monitor.api_models.jobs import WorkerSummary
from monitor.config.alerts import AlertRule
from monitor.health.alerts import Alerts
from monitor.health.rates import Rates
from monitor.live.snapshot import Snapshot
from monitor.metrics.catalogue import DiskSpace, HostReading
from monitor.metrics.messages import RunInfo
from tests.doubles.ticks import BEGIN_US, tick


class Machine:
    """Alerts of a machine whose readings and records a test gives."""

    def __init__(self, *rules: AlertRule) -> None:
        self.seconds, self.stored, self.told = 0, list[Any](), list[Any]()
        self.snapshot, self.workers = Snapshot(), list[WorkerSummary]()
        self.rates = Rates(lambda _now, _since: self.workers)
        notifier = SimpleNamespace(
            wanted=True,
            send=lambda told, _outcome: self.told.append(told),
            about=lambda: Notifications(to=[], sent=0, failed=0),
        )
        self.alerts = Alerts(
            snapshot=self.snapshot,
            events=SimpleNamespace(tell=lambda *_, **__: None),  # type: ignore[arg-type]
            store=None,  # type: ignore[arg-type]
            writer=SimpleNamespace(note=self.stored.extend),  # type: ignore[arg-type]
            notifier=notifier,  # type: ignore[arg-type]
            rates=self.rates,
            host=lambda: "box",
            mask=lambda text: text,
            changed=lambda: None,
            on_loop=lambda act, *given: act(*given),
            over=lambda: True,
            now=lambda: BEGIN_US + self.seconds * 1_000_000,
            clock=lambda: float(self.seconds),
        )
        self.alerts.apply(rules)

    def sample(self, cpu: float, rss: dict[int, int] | None = None, born: Sequence[RunInfo] = ()) -> None:
        """The next second."""
        self.seconds += 1
        sample = tick(self.seconds, host=HostReading(cpu_pct=cpu), rss=rss or {}, born=born)
        self.snapshot.accept(sample)
        self.alerts.take(sample)

    def mounts(self, spaces: list[DiskSpace]) -> None:
        """The next second, which looks at the file systems."""
        self.seconds += 1
        sample = tick(self.seconds, host=HostReading(space=spaces))
        self.snapshot.accept(sample)
        self.alerts.take(sample)

    def read(self, *messages: str) -> None:
        """Records that come at once."""
        self.seconds += 1
        ts = BEGIN_US + self.seconds * 1_000_000
        self.alerts.offer([record(ts, self.seconds * 100_000 + place, text) for place, text in enumerate(messages)])

    def happens(self, kind: EventType, name: str, message: str) -> None:
        """An event of a process or service."""
        self.seconds += 1
        event = ProcessEvent(timestamp=1, process_name=name, event_type=kind, details={"message": message}, run="7")
        self.alerts.take_events([event])

    def firing(self, rule: str) -> list[Any]:
        """What fires by a rule."""
        return [alert for alert in self.alerts.firing() if alert.rule == rule]


def record(ts: int, position: int, message: str) -> LogRecord:
    """One of a file."""
    return LogRecord(1, position, 1, ts, "line", 30, "a.log", None, 1, 2, None, message, None, 1, None, "text")


def process(number: int) -> RunInfo:
    """One of many alike."""
    return RunInfo(number, number, 1, 1, 0, "ann", "worker", f"python worker.py --shard {number}", None, None, BEGIN_US, False)  # fmt: skip


def test_a_rule_that_fires_and_ends_all_the_time_is_limited() -> None:
    """It says so, in the last message and among the rules; what stays is told once there is room."""
    machine = Machine(AlertRule(name="swings", metric="cpu_pct", above=90, for_s=0, clear_s=0))
    for second in range(3600):
        machine.sample(95 if second % 2 else 10)
    fired = [told for told in machine.told if told["state"] == "firing"]
    assert len(fired) == 20
    assert len(machine.stored) <= 40
    assert [one for one in fired if "more are left out" in one["message"]] == fired[-1:]
    for _ in range(60):
        machine.sample(95)
    assert len(machine.firing("swings")) == 1
    assert machine.firing("swings")[0].ended is None


def test_a_rule_of_records_that_fires_all_the_time_is_limited() -> None:
    """A record every few seconds, each of them over before the next."""
    rule = AlertRule(name="often", records="needle", within_s=1)
    machine = Machine(rule)
    for _ in range(300):
        machine.read("a needle")
        machine.seconds += 5
        machine.alerts.look()
    assert len([told for told in machine.told if told["state"] == "firing"]) == 20
    info = next(one for one in machine.alerts.rules([rule], read_only=False).rules if one.name == "often")
    assert "more are left out" in info.trouble


def test_each_of_thousands_of_processes_is_watched() -> None:
    """The one that leaks is found among those that do not, however late it stands; the others are nearly free."""
    rule = AlertRule(name="leak", metric="process.rss", of="worker.py", above=1e9, for_s=2)
    machine = Machine(rule)
    rss = dict.fromkeys(range(1, 3001), 100_000_000)
    machine.sample(1, rss, [process(run) for run in rss])
    for leaking in (2900, 2):
        rss[leaking] = 2_000_000_000
        for _ in range(4):
            machine.sample(1, rss)
        assert leaking in {int(alert.run) for alert in machine.firing("leak")}
    assert len(machine.firing("leak")) == 2
    rss[2900] = 100_000_000
    for _ in range(70):
        machine.sample(1, rss)
    assert [alert.run for alert in machine.firing("leak")] == ["2"]
    for run in rss:
        rss[run] = 2_000_000_000
    for _ in range(4):
        machine.sample(1, rss)
    assert len(machine.firing("leak")) <= 20


def test_a_rule_that_finds_everything_leaves_the_others_theirs() -> None:
    """A rare record at the beginning of a flood counts, and so does each of the flood."""
    machine = Machine(AlertRule(name="all", records="i"), AlertRule(name="rare", records="needle", within_s=60))
    machine.read("a pin, a needle", *[f"line {number}" for number in range(5000)])
    assert len(machine.firing("rare")) == 1
    assert [alert.count for alert in machine.firing("all")] == [5001]
    assert [one.message for one in machine.firing("all")[0].records] == [f"line {number}" for number in range(4995, 5000)]  # fmt: skip


def test_a_file_system_that_is_unmounted_does_not_fire_for_ever() -> None:
    """Its alert is over, with the reason; after a restart nothing ends before the file systems are known."""
    machine = Machine(AlertRule(name="full", metric="disk.used_pct", above=90, for_s=0))
    root, backup = DiskSpace("/", "a", "ext4", 100, 10, 90), DiskSpace("/backup", "b", "ext4", 100, 99, 1)
    machine.mounts([root, backup])
    assert [alert.subject for alert in machine.firing("full")] == ["/backup"]
    machine.snapshot.space = None
    machine.sample(1)
    assert len(machine.firing("full")) == 1
    machine.mounts([root])
    assert machine.firing("full") == []
    assert machine.alerts.present([], {})[0].why == "the file system is gone"


def test_a_failure_is_told_with_its_newest_reason_until_somebody_settles_it() -> None:
    """What came last is what the alert says; one who stops or removes a service has settled it, and what is left of others goes on."""
    machine = Machine(AlertRule(name="service failed", fails="service *", within_s=600))
    machine.happens("ERROR", "service web", "failed 5 times in 2 s: exit code 7")
    machine.happens("ERROR", "service web", "cannot be started: no such file")
    (alert,) = machine.firing("service failed")
    assert (alert.message, alert.count, alert.run) == ("service web: cannot be started: no such file", 2, "7")
    assert alert.message in machine.stored[-1].rows["details"][0].as_py()
    machine.happens("ERROR", "service mail", "failed: exit code 1")
    assert [one.message for one in machine.firing("service failed")] == [
        "service mail: failed: exit code 1; also service web"
    ]
    machine.happens("STOP", "service mail", "stopped: removed from the settings")
    machine.happens("STOP", "service other", "stopped")
    assert [one.message for one in machine.firing("service failed")] == [alert.message]
    machine.happens("STOP", "service web", "stopped: removed from the settings")
    assert machine.firing("service failed") == []
    assert machine.alerts.present([], {})[0].why == "service web stopped: removed from the settings"
    machine.happens("ERROR", "service mail", "failed: exit code 2")
    assert [one.message for one in machine.firing("service failed")] == ["service mail: failed: exit code 2"]
