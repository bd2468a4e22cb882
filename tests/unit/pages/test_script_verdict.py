"""The sentence of the status strip: which of several troubles wins, and what it says."""

import time
from typing import Any

import pytest

from tests.doubles.node import run_script

VERDICT = """
const { verdict } = await load("frame/verdict");
return verdict({ ...given, ring: { last: 60e6, mean: () => given.busy } });
"""
WELL: dict[str, Any] = {
    "state": "live",
    "agent": {"since": None},
    "ageSeconds": 1,
    "busy": 10,
    "tick": {
        "host": {"mem_total": 100, "mem_used": 10},
        "gpus": [],
        "samples": {"received": 99, "expected": 99, "missed": 0},
    },
    "status": {"store": {"state": "ok"}, "logs": {}, "errors": {"last_10_min": 0}},
}


def verdict(*, host: dict[str, Any] | None = None, tick: Any = None, status: Any = None, **hub: Any) -> tuple[str, str]:
    """Level and the whole text, for a machine that is well but for what is given."""
    given = WELL | hub
    given["tick"] = WELL["tick"] | (tick or {})
    given["tick"]["host"] = WELL["tick"]["host"] | (host or {})
    given["status"] = WELL["status"] | (status or {})
    level, *said = run_script(VERDICT, given)
    return level, " ".join(said)


FULL_STORE = {"store": {"state": "full", "message": "The disk is full."}}
MANY_ERRORS = {"errors": {"last_10_min": 42}}
FATAL = {"errors": {"last_10_min": 3, "fatal_10_min": 2, "fatal_sources": [{"source": "shop", "count": 2}]}}
FAILED_US = 1_790_000_000_000_000
AT = time.strftime("%H:%M:%S", time.localtime(FAILED_US / 1e6))
ALERTS = {"alerts": [{"rule": "out of memory", "message": "needle"}, {"rule": "disk", "message": "/data at 98 %"}]}
NAMED_TWICE = {"alerts": [{"rule": "service failed", "message": "service shop: failed 5 times"}]}
MOST = {"most": {kind: {"title": "train.py", "value": 2**31} for kind in ("cpu", "mem", "disk")}}
GB = 1_000_000_000


def from_sources(**counts: int) -> dict[str, Any]:
    """The status of a machine whose errors came from these sources."""
    sources = [{"source": name, "count": count} for name, count in counts.items()]
    return {"errors": {"last_10_min": sum(counts.values()), "sources": sources}}


def failures(*names: str, times: int = 1, said: str = "") -> dict[str, Any]:
    """The status of a machine on which these programs failed."""
    told = {"message": "exit code 1", "ts": FAILED_US, "run": "7", "times": times, "said": said}
    return {"programs_failed": [{"name": name} | told for name in names]}


def stuck(*workers: str) -> dict[str, Any]:
    """The status of a machine on which a job of each of these workers is stuck."""
    told = {"worker_run": "7", "seq": 3, "job": "https://shop/slow", "seconds": 2650.0}
    return {"jobs_stuck": [{"worker": name} | told for name in workers]}


def space(free: float, total: float, **more: Any) -> dict[str, Any]:
    """The status of a machine with one file system; sizes in GB."""
    return {"space": [{"mount": "/data", "free": free * GB, "total": total * GB, "read_only": False} | more]}


def filling(seconds: int) -> dict[str, Any]:
    """The status of a machine with a file system that would be full then."""
    return {"filling": [{"mount": "/data", "full_in_s": seconds, "told": "/data would be full"}]}


@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        ({"status": ALERTS}, "bad", "2 alerts: out of memory: needle; and 1 more."),
        ({"status": {"alerts": ALERTS["alerts"][:1]}}, "bad", "Alert: out of memory: needle."),
        # What the name of a rule says already is not said twice.
        ({"status": NAMED_TWICE}, "bad", "Alert: service shop: failed 5 times."),
        ({"status": {"services_failed": ["api", "web"]}}, "warn", "Services have failed: api, web."),
        (
            {"status": {"services_failed": ["api"], "alerts": [{"rule": "r", "message": "service web: failed"}]}},
            "bad",
            "Alert: r: service web: failed. A service has failed: api.",
        ),
        (
            {"status": {"services_failed": ["web"], "alerts": [{"rule": "r", "message": "service web: failed"}]}},
            "bad",
            "Alert: r: service web: failed.",
        ),
        (
            {"status": {"services_failed": ["api"], "service_said": "no settings."}},
            "warn",
            "A service has failed: api: no settings.",
        ),
        ({"status": {"services_failed": list("abcdefg")}}, "warn", "a, b, c, d, e and 2 more."),
        ({}, "ok", "All good."),
        ({"state": "offline", "offlineSince": 0}, "bad", "dashboard is not reachable"),
        ({"state": "away", "agent": {"since": None}}, "bad", "watchkeeper agent"),
        ({"state": "silent", "ageSeconds": 75}, "warn", "No reading for 1 min"),
        ({"state": "connecting"}, "wait", "Connecting"),
        ({"status": FULL_STORE}, "bad", "The disk is full."),
        ({"tick": {"samples": {"received": 80, "expected": 100, "missed": 20}}}, "warn", "80 of 100"),
        ({"host": {"mem_used": 96}}, "bad", "Memory is nearly full"),
        ({"host": {"psi_io_full": 30}}, "warn", "30 %"),
        ({"busy": 99}, "warn", "99 % over the last minute"),
        ({"busy": 99, "status": MOST}, "warn", "99 % over the last minute. Busiest now: train.py."),
        ({"host": {"mem_used": 96}, "status": MOST}, "bad", "train.py has most, 2.0 GiB."),
        ({"host": {"psi_io_full": 30}, "status": MOST}, "warn", "30 % of the time. train.py writes most."),
        ({"tick": {"gpus": [{"index": 1, "error": "fell off the bus"}]}}, "warn", "Fell off the bus."),
        ({"status": filling(86_400)}, "warn", "A disk fills up: /data would be full."),
        (
            {"status": filling(9 * 86_400)},
            "ok",
            "All good. All readings are in their normal range. /data would be full.",
        ),
        ({"status": MANY_ERRORS}, "warn", "42 in 10 minutes."),
        ({"status": from_sources(a=30, b=12)}, "warn", "42 in 10 minutes, 30 of them from a."),
        ({"status": from_sources(a=42)}, "warn", "42 in 10 minutes, all from a."),
        ({"status": from_sources(a=18, b=14, c=10)}, "warn", "42 in 10 minutes."),
        ({"status": {"errors": {"last_10_min": 1}}}, "ok", "1 error "),
        ({"status": FATAL}, "warn", "Fatal errors are being logged: 2 in 10 minutes, all from shop."),
        (
            {"status": {"errors": {"fatal_10_min": 1, "fatal_sources": [{"source": "shop", "count": 1}]}}},
            "warn",
            "A fatal error was logged: by shop, less than 10 minutes ago.",
        ),
        ({"status": stuck("scraper")}, "warn", "A job is stuck: scraper, https://shop/slow, for 44 min."),
        ({"status": stuck("a", "a", "b")}, "warn", "Jobs are stuck: 3 of a, b, the longest for 44 min."),
        ({"status": failures("etl.py")}, "warn", f"A program failed: etl.py, at {AT}: exit code 1."),
        (
            {"status": failures("etl.py", said="KeyError: 'price'")},
            "warn",
            f"A program failed: etl.py, at {AT}: KeyError: 'price' (exit code 1).",
        ),
        (
            {"status": failures("etl.py", times=3)},
            "warn",
            f"A program failed: etl.py, 3 times in 10 minutes, last at {AT}: exit code 1.",
        ),
        (
            {"status": failures("a", "b", "c", "d", times=2)},
            "warn",
            "Programs failed: a (2 times), b (2 times), c (2 times) and 1 more, in 10 minutes.",
        ),
        (
            {"status": failures("a", "b", said="KeyError: 'price'" + "x" * 60)},
            "warn",
            f"Programs failed: a (KeyError: 'price'{'x' * 43}…), b (KeyError",
        ),
        ({"status": space(0, 100)}, "bad", "/data has 0 B of 93.1 GiB left"),
        ({"status": space(3, 100)}, "warn", "A disk is nearly full: /data"),
        ({"status": space(0.004, 0.5)}, "bad", "/data has 3.8 MiB"),
        ({"status": space(40, 4_000)}, "warn", "/data"),
        ({"status": space(0, 3, read_only=True)}, "ok", "All good."),
        ({"status": space(50, 100, files=1000, files_free=0)}, "bad", "/data can take 0 of 1,000"),
        ({"status": space(50, 100, files=100_000, files_free=900)}, "warn", "running out of files: /data"),
        ({"status": space(50, 100, files=0, files_free=0)}, "ok", "All good."),
        ({"tick": {"gpu_state": "stale", "gpu_message": "No answer for 14 s."}}, "warn", "No answer for 14 s."),
    ],
)
def test_each_trouble_has_its_sentence(given: dict[str, Any], level: str, words: str) -> None:
    """Level and words of one trouble alone."""
    found, text = verdict(**given)
    assert (found, words in text) == (level, True), text


def test_everything_is_said_the_severe_first() -> None:
    """No problem hides another: the store comes before the machine, what is severe before what is not, the processors last."""
    troubles: dict[str, Any] = {
        "status": FULL_STORE | MANY_ERRORS | space(3, 100),
        "host": {"mem_used": 99},
        "busy": 99,
    }
    troubles["tick"] = {"gpu_state": "stale", "gpu_message": "The driver hangs."}
    level, text = verdict(**troubles)
    order = ["The store is full.", "Memory is", "A disk is", "The driver hangs.", "42 in 10", "High CPU"]
    assert level == "bad"
    assert [words for words in order if words in text] == order
    assert sorted(order, key=text.index) == order


def test_of_old_readings_nothing_is_said() -> None:
    """Without a connection the readings are old, so only that is said."""
    assert "CPU" not in verdict(state="away", busy=99)[1]


@pytest.mark.parametrize(("free", "total"), [(20, 100), (0.1, 0.5), (800, 20_000), (60, 2_000)])
def test_enough_room_is_no_trouble(free: float, total: float) -> None:
    """A large disk may be 97 % full and have room for days, a small one needs no more than its share."""
    assert verdict(status=space(free, total))[0] == "ok"


def test_little_pressure_and_few_samples_are_no_trouble() -> None:
    """Bounds are above what is usual, and a watch that just began is not judged by its first samples."""
    young = {"samples": {"received": 1, "expected": 10, "missed": 9}}
    assert verdict(tick=young, host={"psi_mem_full": 5, "mem_used": 90}, busy=94)[0] == "ok"


def test_an_agent_that_comes_back_is_connecting() -> None:
    """While it runs or is being started again, nobody is told to start it."""
    level, text = verdict(state="away", agent={"since": 5, "coming": True})
    assert (level, "Connecting to the agent…" in text, "Start it" in text) == ("wait", True, False)
    level, text = verdict(state="away", agent={"since": 5, "coming": False})
    assert (level, "Start it" in text) == ("bad", True)


def test_a_trouble_leads_to_what_tells_more() -> None:
    """Alerts to their page, however many fire; errors to their records, a disk that fills to who writes most, full memory to who has most of it."""
    many = [{"rule": f"rule {i}", "message": "x" * 500} for i in range(1200)]
    pages = """
    const { findings } = await load("frame/verdict");
    return findings({ ...given, ring: { last: 60e6, mean: () => given.busy } }).map(([, headline, text, page, params]) => [headline, text.length < 220, page ?? null, params ?? null]);
    """
    full = {"host": WELL["tick"]["host"] | {"mem_used": 99, "mem_total": 100}}
    filling = [{"full_in_s": 3600, "told": "/srv is full in an hour"}]
    given = WELL | {
        "status": WELL["status"] | MANY_ERRORS | {"alerts": many, "filling": filling},
        "tick": WELL["tick"] | full,
    }
    assert run_script(pages, given) == [
        ["1,200 alerts:", True, "alerts", None],
        ["Memory is nearly full:", True, "processes", {"sort": "rss"}],
        ["A disk fills up:", True, "processes", {"sort": "write_bps"}],
        ["Errors are being logged:", True, "logs", {"levels": "fatal,error"}],
    ]
