"""What happened in a range of time, as the rows and the list below a run's charts show it; and when a run's page looks again."""

from typing import Any

from tests.doubles.node import run_script

MODEL = 'const model = await load("charts/lane_model"); '
SECOND = 1_000_000


def _job(seq: int, started: int | None, ended: int | None, state: str = "done", **more: Any) -> dict[str, Any]:
    seconds = None if started is None or ended is None else (ended - started) / SECOND
    return {"seq": seq, "job": f"j{seq}", "worker_run": "w", "state": state, "stuck": False, "started": started, "ended": ended, "seconds": seconds, "error": None, **more}  # fmt: skip


def _activity(**given: Any) -> dict[str, Any]:
    histogram = given.pop("histogram", {"bucket_us": 10, "ts": [], "levels": {}, "total": 0})
    lists = {name: {"total": len(given.get(name, [])), name: given.get(name, [])} for name in ("events", "jobs", "actions")}  # fmt: skip
    return {"records": {"histogram": histogram, "newest": []}, **lists}


def test_jobs_that_overlap_stand_below_each_other() -> None:
    """In three rows at most; a row is used again once it is free, and a job in flight reaches up to now."""
    jobs = [_job(1, 0, 50), _job(2, 10, 20), _job(3, 12, 14), _job(4, 13, 15), _job(5, 30, None, "running"), _job(6, None, 60)]  # fmt: skip
    bars = run_script(MODEL + "return model.jobBars(given, 100).map((bar) => [bar.job.seq, bar.row, bar.to])", jobs)
    assert bars == [[1, 0, 50], [2, 1, 20], [3, 2, 14], [4, 2, 15], [5, 1, 100], [6, 0, 60]]


def test_records_are_bars_of_levels_without_the_empty_ones() -> None:
    """Errors are counted apart."""
    histogram = {"ts": [0, 10, 20], "levels": {"info": [3, 0, 0], "error": [1, 0, 0], "fatal": [0, 0, 2]}}
    assert run_script(MODEL + "return model.recordBars(given)", histogram) == [
        {"at": 0, "total": 4, "bad": 1, "levels": {"info": 3, "error": 1}},
        {"at": 20, "total": 2, "bad": 2, "levels": {"fatal": 2}},
    ]


def test_all_that_happened_is_one_list_with_the_newest_first() -> None:
    """An event in its words, a job with its error's first line and a link, an action with who did it and why it was not done."""
    events = [{"timestamp": 30, "event_type": "ERROR", "details": {"message": "exit code 3"}}]
    actions = [
        {"ts": 20, "action": "process stop", "outcome": "done", "actor": "ada"},
        {"ts": 40, "action": "process kill", "outcome": "it has ended", "actor": ""},
    ]
    jobs = [_job(7, 1 * SECOND, 2 * SECOND, "failed", error="ValueError: x\nmore")]
    answer = _activity(events=events, actions=actions, jobs=jobs)
    found = run_script(MODEL + "return model.entries(given)", answer)
    assert [(one["kind"], one["sign"], one["text"]) for one in found] == [
        ("Job", "bad", "j7 · 1.0 s · ValueError: x"),
        ("Action", "warn", "it has ended"),
        ("Event", "bad", "exit code 3"),
        ("Action", "ok", "by ada"),
    ]
    assert found[0]["params"] == {"of": "w", "job": 7}


def test_a_row_says_that_older_ones_are_not_drawn() -> None:
    """Of hundreds of jobs the newest are drawn; an empty place before them is not one where nothing happened."""
    answer = _activity(
        jobs=[_job(1, 50, 60), _job(2, 40, 55)], events=[{"timestamp": 20, "event_type": "START", "details": {}}]
    )
    answer["jobs"]["total"] = 1_189
    script = 'const names = ["records", "events", "jobs", "actions"]; '
    script += (
        "return [names.map((name) => model.laneName(given, name)), [20, 54, 55].map((ts) => model.isDrawn(given, ts))]"
    )
    names, drawn = run_script(MODEL + script, answer)
    assert names == ["no records", "events", "jobs: the newest 2 of 1,189", "no actions"]
    assert drawn == [False, False, True]


def test_a_moment_is_told_in_words() -> None:
    """What lies within reach of the crosshair; nothing where nothing is."""
    answer = _activity(
        histogram={"bucket_us": 10, "ts": [0, 10], "levels": {"error": [0, 2], "info": [0, 1]}, "total": 3},
        events=[{"timestamp": 12, "event_type": "START", "details": {"message": "began"}}],
        jobs=[_job(1, 5, 14)],
    )
    assert run_script(MODEL + "return [model.told(given, 13, 2, 99), model.told(given, 40, 2, 99)]", answer) == [
        ["3 records (2 errors)", "Started: began", "job j1 done"],
        [],
    ]
    assert run_script(MODEL + "return model.totals(given)", answer) == ["3 records (2 errors)", "1 event", "1 job", "0 actions"]  # fmt: skip


def test_a_page_looks_again_while_a_run_lives_and_twice_after_its_end() -> None:
    """Every five seconds, then once its last records are stored; never again, and not at all where the end is long ago."""
    looks = """
        const { due } = await load("processes/watch_model");
        let asked = given.opened, times = [];
        for (let now = given.opened; now < given.opened + 60e6; now += 1e6) if (due(given.ended, asked, now)) { times.push((now - given.opened) / 1e6); asked = now; }
        return times"""
    assert run_script(looks, {"opened": 0, "ended": None})[:3] == [5, 10, 15]
    assert run_script(looks, {"opened": 2 * SECOND, "ended": 1 * SECOND}) == [3, 19]
    assert run_script(looks, {"opened": 10 * SECOND, "ended": 1 * SECOND}) == [11]
    assert run_script(looks, {"opened": 40 * SECOND, "ended": 1 * SECOND}) == []
