"""Counting jobs: exact under any order, repetition and restart; never negative."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.jobs.counters import FinishedJob, RunCounter
from monitor.jobs.lines import ID_CHARS, Line, job_id, number_of, parse, time_of, words_of
from monitor.jobs.ranges import Ranges

NOW = 1_700_000_000_000_000


@given(st.lists(st.integers(0, 60), max_size=120))
def test_ranges_are_a_set(numbers: list[int]) -> None:
    """Whatever the order, a number is new once, and the text gives the same set again."""
    ranges, truth = Ranges(), set()
    for number in numbers:
        assert ranges.add(number) == (number not in truth)
        truth.add(number)
    again = Ranges(ranges.text())
    assert len(again) == len(truth)
    assert all((number in again) == (number in truth) for number in range(62))
    assert len(ranges.text().split()) == sum(number - 1 not in truth for number in truth), "neighbours share a range"


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[int, dict[str, Any]]], dict[str, int]]:
    """Events of one run in any order, some of them more than once, some begins lost; and the counts that are true."""
    outcomes = draw(st.lists(st.sampled_from(["done", "failed", "open", "lost begin", "counted only"]), max_size=25))
    events: list[tuple[int, dict[str, Any]]] = [(0, {"e": "start", "worker": "w", "run": "r"})]
    truth = {"done": 0, "failed": 0, "in_flight": 0}
    number = 0
    for outcome in outcomes:
        begin, number = number + 1, number + 2
        if outcome == "counted only":
            events.append((begin, {"e": "missed", "done": 2, "failed": 1}))
            truth["done"], truth["failed"] = truth["done"] + 2, truth["failed"] + 1
            continue
        if outcome != "lost begin":
            events.append((begin, {"e": "begin", "job": str(begin)}))
        if outcome == "open":
            truth["in_flight"] += 1
            continue
        end = "failed" if outcome == "failed" else "done"
        truth[end] += 1
        events.append((number, {"e": end, "of": begin, "job": str(begin), "s": 0.5}))
    doubled = draw(st.lists(st.sampled_from(events), max_size=20))
    return draw(st.permutations(events + doubled)), truth


def again(run: RunCounter) -> RunCounter:
    """The counter as it is after a restart of the agent."""
    names = ("started", "last_event", "done", "failed", "interrupted", "untold", "repeated", "damaged")
    kept = {name: getattr(run, name) for name in names}
    return RunCounter(run.worker_run, run.worker, seen=Ranges(run.seen.text()), open=dict(run.open), **kept)


@given(histories(), st.integers(0, 40))
def test_counts_are_the_truth(history: tuple[list[tuple[int, dict[str, Any]]], dict[str, int]], restart: int) -> None:
    """Duplicates, any order and a restart in between change no count; nothing is negative on the way; each job is over once."""
    events, truth = history
    run = RunCounter("r", "w", started=NOW, last_event=NOW)
    over: list[FinishedJob] = []
    for place, (number, event) in enumerate(events):
        if place == restart:
            run = again(run)
        counted = run.apply(msgspec.convert(event, Line), number, NOW)
        over += [counted] if isinstance(counted, FinishedJob) else []
        assert min(run.done, run.failed, run.in_flight, run.begun) >= 0
    assert {name: getattr(run, name) for name in truth} == truth
    assert len(over) == run.done + run.failed - run.untold
    assert len({job.seq for job in over}) == len(over)
    closed = run.interrupt(NOW, "killed")
    assert (len(closed), run.in_flight) == (truth["in_flight"], 0)
    assert run.begun == sum(truth.values())
    for number, event in events:
        run.apply(msgspec.convert(event, Line), number, NOW)
    assert run.begun == sum(truth.values()), "what comes again after the end counts no more"


def test_a_second_end_of_a_job_counts_no_more() -> None:
    """Also where a worker gives it a number of its own, and where the begin was not seen yet."""
    run = RunCounter("r", "w", started=NOW, last_event=NOW)
    for number, event in (
        (2, {"e": "failed", "of": 1}),
        (3, {"e": "done", "of": 1}),
        (1, {"e": "begin"}),
        (4, {"e": "done", "of": 1}),
    ):
        run.apply(msgspec.convert(event, Line), number, NOW)
    assert (run.done, run.failed, run.in_flight, run.repeated) == (0, 1, 0, 2)


def test_times_and_durations() -> None:
    """A duration is what the worker says, else the time between the events; a start is reckoned from the end where no begin was seen."""
    run = RunCounter("r", "w", started=NOW, last_event=NOW)
    run.apply(Line("begin", job="a", t=NOW), 1, 0)
    done = run.apply(Line("done", of=1, t=NOW + 2_000_000), 2, 0)
    alone = run.apply(Line("failed", job="b", s=1.5, t=1_700_000_009.5, error="no"), 3, 0)
    wrong = run.apply(Line("done", job="c", s=-4.0), 4, NOW)
    assert isinstance(done, FinishedJob)
    assert (done.job, done.started, done.seconds) == ("a", NOW, 2.0)
    assert isinstance(alone, FinishedJob)
    assert (alone.started, alone.ended, alone.error) == (NOW + 8_000_000, NOW + 9_500_000, "no")
    assert isinstance(wrong, FinishedJob)
    assert (wrong.started, wrong.seconds, wrong.ended) == (None, None, NOW)


def test_the_last_event_is_when_it_happened() -> None:
    """A file that is read an hour later says nothing of that hour, also to the next agent."""
    run = RunCounter("r", "w", started=NOW, last_event=NOW)
    run.apply(Line("start", t=NOW - 3_600_000_000, worker="w"), 0, NOW)
    run.apply(Line("begin", job="a", t=NOW - 3_500_000_000), 1, NOW)
    assert run.last_event == NOW - 3_500_000_000
    run.apply(Line("begin", job="b", t=NOW - 3_550_000_000), 2, NOW)
    again = RunCounter("r", "w", started=run.started, last_event=run.last_event, seen=Ranges(run.seen.text()))
    again.apply(Line("start", t=NOW - 3_600_000_000, worker="w"), 0, NOW)
    again.apply(Line("begin", job="c", t=NOW - 3_560_000_000), 3, NOW)
    assert (run.last_event, again.last_event) == (NOW - 3_500_000_000,) * 2


@given(st.binary(max_size=200))
def test_no_line_breaks_the_parser(data: bytes) -> None:
    """Any bytes are an event or none."""
    line = parse(data)
    assert line is None or (time_of(line, NOW) >= 0 and len(job_id(line)) <= ID_CHARS)


def test_lines_that_are_no_events() -> None:
    """Numbers out of range, unknown events and other types are refused, as they could not be stored."""
    bad = [
        '{"e":"begin","n":-1}',
        '{"e":"start","pid":4294967296}',
        '{"e":"missed","done":1e30}',
        '{"e":"party"}',
        '{"e":"done","run":""}',
    ]
    bad += [
        "[]",
        "",
        '{"n":1}',
        '{"e":"done","job":{}}',
        '{"e":"done","n":9223372036854775808}',
        '{"e":"done","s":NaN}',
    ]
    assert [text for text in bad if parse(text.encode()) is not None] == []
    assert job_id(parse(b'{"e":"done","job":17}') or Line("")) == "17"


def test_a_command_is_text_or_words() -> None:
    """What a worker says of its command otherwise costs no event."""
    said = ['"python  w.py"', '["python", "w.py"]', "17", '["python", 1]', "{}"]
    lines = [parse(b'{"e":"start","command":%s,"cwd":3,"pidns":"x"}' % text.encode()) for text in said]
    assert [words_of(line or Line("", command="refused")) for line in lines] == [("python", "w.py")] * 2 + [()] * 3


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('"numbers":{"RANK":3,"WORLD_SIZE":8}', "rank 3"),
        ('"numbers":{"WORKER_ID":4},"inherited":[]', "worker 4"),
        ('"numbers":{"WORKER_ID":4},"inherited":["WORKER_ID"]', None),
        ('"numbers":{"RANK":"x","\\u0000":1},"inherited":{}', None),
        ('"numbers":[3]', None),
        ('"numbers":{"RANK":true,"SHARD":1e9}', None),
    ],
)
def test_a_worker_says_which_of_several_it_is(said: str, told: str | None) -> None:
    """By the numbers of its environment, as those are told apart that samples see; what is no number says nothing."""
    line = parse(b'{"e":"start",%s}' % said.encode())
    assert line is not None
    assert number_of(line) == told
