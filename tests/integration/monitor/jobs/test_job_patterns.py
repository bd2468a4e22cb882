"""Jobs of programs that do not report them, from their stored log records."""

import pyarrow as pa
import pytest

from monitor.config.job_patterns import parse_pattern
from monitor.store.interface import Append, Upsert
from tests.integration.monitor.jobs.conftest import NOW, Scene

BEGUN, DONE = (
    r"imp begun /srv/*.log begin (?P<id>\S+)",
    r"imp done /srv/*.log end (?P<id>\S+)( in (?P<seconds>[\d.]+) s)?",
)
FAILED = r"imp failed /srv/*.log (?P<id>\S+) broke: (?P<error>.*)"


def write(
    scene: Scene,
    file_id: int,
    records: dict[int, str],
    *,
    path: str = "/srv/imp.log",
    stored_to: int | None = None,
    waits: int = 0,
    run: int | None = 5,
) -> None:
    """Records of a file by position, one second apart, and how far the file is read."""
    count = len(records)
    rows = pa.table(
        {
            "host": [scene.host] * count,
            "file_id": pa.array([file_id] * count, pa.int64()),
            "pos": pa.array(list(records), pa.int64()),
            "ts": pa.array([NOW + pos * 1_000_000 for pos in records], pa.timestamp("us")),
            "ingested": pa.array([NOW] * count, pa.timestamp("us")),
            "level": pa.array([20] * count, pa.uint8()),
            "source": ["imp"] * count,
            "run": pa.array([run] * count, pa.int64()),
            "message": list(records.values()),
            "lines": pa.array([1] * count, pa.int32()),
        }
    )
    end = max(records) + 1 if stored_to is None else stored_to
    file = pa.table(
        {
            "file_id": [file_id],
            "host": [scene.host],
            "source": ["imp"],
            "path": [path],
            "stored_to": [end],
            "backfill_from": [waits],
            "backfill_to": [0],
        }
    )
    scene.writer.commit([Append("log_records", rows), Upsert("log_files", file, ("file_id",))])


def test_records_become_jobs(scene: Scene) -> None:
    """A begin and its end are one job with the time between them or the time the record says; other records and files are nothing."""
    scene.patterns = [BEGUN, DONE, FAILED]
    write(
        scene,
        1,
        {
            0: "begin a",
            2: "begin b",
            3: "hello",
            5: "end a",
            6: "end b in 1.5 s",
            7: "c broke: no space\n  more",
            9: "begin d",
        },
    )
    write(scene, 2, {0: "begin x", 1: "end x"}, path="/var/other.log")
    scene.service.round()
    jobs = scene.rows("SELECT job, outcome, seconds, error, run FROM jobs ORDER BY ts")
    assert jobs == [
        {"job": "a", "outcome": "done", "seconds": 5.0, "error": None, "run": 5},
        {"job": "b", "outcome": "done", "seconds": 1.5, "error": None, "run": 5},
        {"job": "c", "outcome": "failed", "seconds": None, "error": "no space", "run": 5},
    ]
    assert scene.counts()["open"] == 1
    scene.another().round()
    assert scene.counts()["done"] == 2


def test_each_record_counts_once_wherever_the_file_goes(scene: Scene) -> None:
    """What may still change waits, what is rotated goes on, an older part is read first, and a new file is counted beside."""
    scene.patterns = [BEGUN, DONE]
    write(scene, 11, {0: "end 1", 10: "end 2"}, stored_to=10)
    scene.service.round()
    scene.service.round()
    assert scene.counts()["done"] == 1
    write(scene, 11, {20: "end 3"}, path="/srv/imp.log.1")
    write(scene, 12, {0: "end 4"}, waits=0)
    write(scene, 13, {500: "end 6"}, path="/srv/big.log", waits=400)
    scene.another().round()
    assert scene.counts()["done"] == 4
    write(scene, 13, {0: "end 5"}, path="/srv/big.log", stored_to=501)
    scene.another().round()
    counts = scene.counts()
    assert (counts["done"], counts["rows"], counts["repeated"]) == (6, 6, 0)


def test_open_jobs_end_with_their_process(scene: Scene) -> None:
    """Once the process that wrote the records has ended, what it left open is interrupted."""
    scene.patterns = [BEGUN, DONE]
    write(scene, 21, {0: "begin a"}, run=77)
    scene.service.round()
    assert scene.counts()["open"] == 1
    end = {"end_ts": pa.array([NOW + 9_000_000], pa.timestamp("us")), "exit_code": pa.array([1], pa.int32())}
    stop = {
        "host": ["h"],
        "ts": end["end_ts"],
        "kind": ["STOP"],
        "subject": ["run"],
        "run": [77],
        "message": ["exit code 1"],
    }
    scene.writer.commit(
        [
            Append("runs", pa.table({"run": [77], "host": ["h"], "boot_id": ["b"], **end})),
            Append("events", pa.table(stop)),
        ]
    )
    scene.service.round()
    assert scene.rows("SELECT job, outcome, error, seconds FROM jobs") == [
        {"job": "a", "outcome": "interrupted", "error": "the worker ended: exit code 1", "seconds": 9.0}
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("imp done /srv/*.log", "WORKER EVENT FILES REGEX"),
        ("imp ended /srv/*.log x", "'ended'"),
        ("imp done srv/*.log x", "absolute path"),
        ("imp done /srv/*.log (?=x)", "RE2"),
        ("imp done /srv/*.log (?P<job>x)", "group named job"),
    ],
)
def test_a_wrong_pattern_says_what_is_wrong(line: str, said: str) -> None:
    """With the words that are wrong."""
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        parse_pattern(line)
