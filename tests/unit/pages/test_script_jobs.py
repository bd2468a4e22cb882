"""What the tables of jobs say, run in Node without a browser."""

from typing import Any

from tests.doubles.node import run_script

JOB = {
    "worker_run": "r",
    "seq": 17,
    "worker": "w",
    "job": "",
    "state": "failed",
    "started": 10_000_000,
    "ended": 12_000_000,
    "run": "99",
    "stuck": False,
}
WORKER = {"living": 0, "stuck": 0, "stuck_after_s": None, "reason": None}


def model(call: str, given: list[dict[str, Any]]) -> list[Any]:
    """What a function of the model answers for each."""
    found: list[Any] = run_script(
        f'const model = await load("jobs/model"); return given.map((one) => model.{call}(one))', given
    )
    return found


def test_durations_have_a_unit_that_tells_them_apart() -> None:
    """From a tenth of a millisecond to days; what is not known is a dash."""
    values = [0.00042, 0.0128, 0.2, 1.0, 4.06, 75.0, 7300.0, None, -0.001]
    words = run_script('const { took } = await load("jobs/model"); return given.map(took)', values)
    assert words == ["0.4 ms", "12.8 ms", "200 ms", "1.0 s", "4.1 s", "1 min", "2 h 01", "–", "0.0 ms"]


def test_a_job_leads_to_what_its_process_wrote_meanwhile() -> None:
    """From a second before it began to three after it ended; of a running one the last hour; nothing where the process is unknown."""
    jobs = [JOB, {**JOB, "ended": None}, {**JOB, "run": None}]
    assert model("recordsOf", jobs) == [
        {"run": "99", "range": "custom", "from": 9_000_000, "to": 15_000_000},
        {"run": "99", "range": "1h"},
        None,
    ]


def test_states_are_said_by_sign_and_word() -> None:
    """A stuck job is stuck and not in flight; what somebody's wish interrupted is no failure; one without a name has its number."""
    asked = {**JOB, "state": "interrupted", "asked": "stopped by Ada"}
    jobs = [
        JOB,
        {**JOB, "state": "running", "stuck": True},
        {**JOB, "state": "running"},
        asked,
        {**asked, "asked": None},
    ]
    words = [
        ["bad", "failed"],
        ["warn", "stuck"],
        ["wait", "in flight"],
        ["off", "interrupted"],
        ["bad", "interrupted"],
    ]
    assert model("stateOf", jobs) == words
    assert model("nameOf", [JOB, {**JOB, "job": "x"}]) == ["#17", "x"]


def test_a_worker_that_died_is_not_one_that_ended() -> None:
    """By the reason of its last run; stuck jobs come first."""
    reasons = [
        "the worker stopped",
        "the worker ended: exit code 0",
        "the worker ended: exit code 1",
        "the worker ended; its exit code is unknown",
    ]
    workers = [{**WORKER, "reason": reason} for reason in reasons] + [
        {**WORKER, "living": 2},
        {**WORKER, "living": 1, "stuck": 1, "stuck_after_s": 30},
        {
            **WORKER,
            "reason": "the worker ended: killed by SIGTERM (signal 15), stopped by Ada",
            "asked": "stopped by Ada",
        },
    ]
    words = [one[1] for one in model("workerState", workers)]
    assert words == ["ended", "ended", "died", "died", "2 running", "stuck jobs", "ended"]
