"""Following files: growth, rotation, truncation, identity, restarts."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import logs
from logs import LogSettings
from logs.storing.delivery import emptied
from monitor.store.interface import Store
from tests.doubles.alone import elsewhere
from tests.doubles.gated_store import GatedStore
from tests.doubles.log_watch import LogWatch, now_us
from tests.waiting import wait_until

Start = Callable[..., Any]
Stop = Callable[[Any], None]


def line(number: int) -> str:
    """A line with a sequence number."""
    return f"2026-03-01 10:{number // 60 % 60:02d}:{number % 60:02d},000 INFO seq: n={number}\n"


def numbers(watch: Any) -> list[int]:
    """The sequence numbers stored, in file order."""
    return [int(record.message.removeprefix("n=")) for record in watch.in_file_order()]


def test_a_new_line_is_shown_and_stored(start: Start, tmp_path: Path) -> None:
    """A line appended to a followed file is shown live, and is in the store a moment later."""
    path = tmp_path / "app.log"
    path.touch()
    watch = start((str(path),))
    wait_until(lambda: watch.service.health()["files"] == 1)
    with path.open("a") as file:
        file.write(line(1))
    wait_until(lambda: watch.live)
    assert [record.message for record in watch.live] == ["n=1"]
    wait_until(lambda: watch.messages() == ["n=1"])
    record = watch.records()[0]
    assert (record.level, record.logger, record.line_no, record.pos, record.ts_from) == (20, "seq", 1, 0, "line")


def test_the_year_of_an_old_file_is_its_own(start: Start, tmp_path: Path) -> None:
    """Times without a year are near to when the file was written, not to now; what is written today is of today."""
    path = tmp_path / "messages.log"
    path.write_text("Nov  3 09:23:38 host app[7]: old\n")
    os.utime(path, (1_699_100_000, 1_699_100_000))  # 4 November 2023
    watch = start((str(path),))
    wait_until(lambda: watch.messages() == ["old"])
    with path.open("a") as file:
        file.write(time.strftime("%b %e %H:%M:%S host app[7]: new\n"))
    wait_until(lambda: watch.messages() == ["old", "new"])
    years = [time.localtime(record.ts / 1e6).tm_year for record in watch.records()]
    assert years == [2023, time.localtime().tm_year]


def test_a_traceback_written_slowly_is_one_record(start: Start, tmp_path: Path) -> None:
    """A record that goes on after it was stored is replaced in its place: one record, shown again with the same id."""
    path = tmp_path / "app.log"
    watch = start((str(path),))
    with path.open("w") as file:
        for part in (
            "2026-03-01 10:00:00,000 ERROR app: failed\n",
            "Traceback (most recent call last):\n",
            '  File "a.py", line 1, in f\n',
            "ValueError: no\n",
        ):
            file.write(part)
            file.flush()
            wait_until(lambda part=part: any(part.strip().split(": ")[-1] in message for message in watch.messages()))
    assert len(watch.records()) == 1
    assert watch.records()[0].lines == 4
    assert len({record.id for record in watch.live}) <= 1


class Later:
    """A service whose clock can be set ahead."""

    def __init__(self, store: Store, path: Path) -> None:
        self.ahead_us = 0
        self.path = path
        settings = LogSettings(globs=(str(path),), discover=False, journal=False, poll_s=0.02, scan_s=0.1)
        self.service = LogWatch(store, settings, now=lambda: now_us() + self.ahead_us)
        self._store = store

    def messages(self) -> list[str]:
        """What is stored, in the order of the file."""
        found = logs.search.search(self._store, logs.LogFilter.parse({}, now_us()), limit=100).records
        return [record.message for record in sorted(found, key=lambda record: record.pos)]

    def times(self) -> list[int]:
        """Their times, µs."""
        found = logs.search.search(self._store, logs.LogFilter.parse({}, now_us() + self.ahead_us), limit=100).records
        return [record.ts for record in sorted(found, key=lambda record: record.pos)]

    def write(self, text: str, *, shown: str) -> None:
        """Append to the file, and wait until this is stored."""
        with self.path.open("a") as file:
            file.write(text)
        wait_until(lambda: any(shown in message for message in self.messages()))

    def wait(self, seconds: int) -> None:
        """So much time goes by; meanwhile the file is looked at."""
        self.ahead_us += seconds * 1_000_000
        before = self.service.rounds
        wait_until(lambda: self.service.rounds > before + 2)


@pytest.fixture
def later(store: Store, tmp_path: Path) -> Iterator[Later]:
    """A followed file, and time that passes as a test says."""
    (tmp_path / "app.log").touch()
    watch = Later(store, tmp_path / "app.log")
    watch.service.start()
    yield watch
    watch.service.stop()


HEAD = "2026-03-01 10:00:00,000 INFO app: begun\n" * 3


def test_a_line_written_minutes_later_is_a_record_of_its_own(later: Later) -> None:
    """A line without a header goes on with the record before it only when it is written soon after that."""
    later.write(HEAD, shown="begun")
    later.wait(20)
    later.write("goes on\n", shown="goes on")
    assert later.messages()[-1] == "begun\ngoes on"
    later.wait(180)
    later.write("said minutes later\n", shown="minutes")
    assert later.messages()[-2:] == ["begun\ngoes on", "said minutes later"]
    later.write("2026-03-01 10:05:00,000 INFO app: done\n  of it\n", shown="of it")
    assert later.messages() == ["begun", "begun", "begun\ngoes on", "said minutes later", "done\n  of it"]


def test_a_line_keeps_the_time_at_which_it_came(later: Later) -> None:
    """A last line without a time is stored again when the next one comes, half a minute later: its time stays."""
    came: list[int] = []
    for word in ("first", "second", "third", "fourth"):
        later.write(f"{word} words\n", shown=word)
        later.wait(30)
        assert later.times()[:-1] == came
        came = later.times()


def test_lines_that_trickle_in_do_not_join_for_ever(later: Later) -> None:
    """What counts is the age of the record, not that of its last line."""
    later.write(HEAD, shown="begun")
    for number in range(8):
        later.wait(25)
        later.write(f"line {number}\n", shown=f"line {number}")
    assert later.messages()[2] == "begun\nline 0\nline 1"


def test_half_a_line_is_joined_however_late_the_rest_comes(later: Later) -> None:
    """A line that has not ended belongs together, and so do the lines that a buffer held back with it."""
    later.write(HEAD + "  cut", shown="cut")
    later.wait(300)
    later.write(" in half\n  and more\n", shown="more")
    assert later.messages()[-1] == "begun\n  cut in half\n  and more"


def test_what_the_watch_came_to_late_is_joined_as_it_stands(later: Later) -> None:
    """While nobody looked, nobody can say when a line was written: then it goes on with the record before."""
    later.write(HEAD, shown="begun")
    with later.service.unwatched():
        later.ahead_us += 600 * 1_000_000
        with later.path.open("a") as file:
            file.write("goes on\n")
    wait_until(lambda: "goes on" in later.messages()[-1])
    assert later.messages()[-1] == "begun\ngoes on"


def test_a_line_without_an_end_waits_and_is_not_doubled(start: Start, tmp_path: Path) -> None:
    """Half a line is stored when nothing more comes, and replaced when the rest comes."""
    path = tmp_path / "app.log"
    watch = start((str(path),))
    with path.open("w") as file:
        file.write(line(1) + "2026-03-01 10:00:02,000 INFO seq: n=2")
        file.flush()
        wait_until(lambda: watch.messages() == ["n=1", "n=2"])
        file.write("34\n" + line(3))
    wait_until(lambda: watch.messages() == ["n=1", "n=234", "n=3"])


@pytest.mark.parametrize("how", ["rename", "copytruncate", "recreate", "truncate"])
def test_rotation_loses_and_doubles_nothing(start: Start, tmp_path: Path, how: str) -> None:
    """After each way of rotating, lines before and after are there once."""
    path = tmp_path / "app.log"
    watch = start((str(path),))
    path.write_text("".join(map(line, range(100))))
    wait_until(lambda: len(numbers(watch)) == 100)
    if how == "rename":
        path.rename(tmp_path / "app.log.1")
    elif how == "recreate":
        path.unlink()
    else:
        if how == "copytruncate":
            (tmp_path / "app.log.1").write_bytes(path.read_bytes())
        os.truncate(path, 0)
    with path.open("a") as file:
        file.writelines(map(line, range(100, 200)))
    wait_until(lambda: len(numbers(watch)) >= 200)
    assert sorted(numbers(watch)) == list(range(200))


def opened(path: Path) -> bool:
    """Whether this process has the file open."""
    return any(
        os.path.samestat(entry.stat(), path.stat()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()
    )


@pytest.mark.parametrize("how", ["append", "rename", "copytruncate", "recreate", "truncate", "late"])
def test_a_file_that_nobody_writes_is_closed_until_it_changes(start: Start, tmp_path: Path, how: str) -> None:
    """It does not keep its file system busy, and whatever happens to it then, each line is there once."""
    path = tmp_path / "app.log"
    watch = start((str(path),), rest_s=0.05)
    path.write_text("".join(map(line, range(100))))
    wait_until(lambda: len(numbers(watch)) == 100)
    wait_until(lambda: not opened(path), "the file is closed")
    if how == "rename":
        path.rename(tmp_path / "app.log.1")
    elif how == "late":
        with path.open("a") as file:
            file.writelines(map(line, range(100, 150)))
        path.rename(tmp_path / "app.log.1")
    elif how == "recreate":
        path.unlink()
    elif how == "copytruncate":
        (tmp_path / "app.log.1").write_bytes(path.read_bytes())
    if how in {"copytruncate", "truncate"}:
        os.truncate(path, 0)
    with path.open("a") as file:
        file.writelines(map(line, range(150 if how == "late" else 100, 200)))
    wait_until(lambda: len(numbers(watch)) >= 200)
    assert sorted(numbers(watch)) == list(range(200))
    wait_until(lambda: not opened(path), "it is closed again")


def test_a_file_that_somebody_writes_stays_open(start: Start, tmp_path: Path) -> None:
    """Its writer is known by the open file; once that is closed, so is ours."""
    path = tmp_path / "app.log"
    with path.open("a") as file:
        writer = subprocess.Popen(["sh", "-c", f"echo '{line(0).strip()}'; exec sleep 100"], stdout=file)
    try:
        watch = start((str(path),), rest_s=0.05, discover=True, exclude=elsewhere(tmp_path))
        known = lambda: [t for t in watch.service.tails if t.path == str(path) and t.writers.pids]  # noqa: E731
        tail = wait_until(known, "its writer is known")[0]
        wait_until(lambda: tail.quiet and tail.position)
        rounds = watch.service.rounds
        wait_until(lambda: watch.service.rounds > rounds + 20)
        assert not tail.rests
    finally:
        writer.kill()
        writer.wait()
    wait_until(lambda: tail.rests, "it is closed")


def test_a_copy_gives_what_the_truncation_took(start: Start, tmp_path: Path) -> None:
    """Lines that only the rotated copy holds, because the file was emptied before they were read, come from the copy."""
    path, copy = tmp_path / "app.log", tmp_path / "app.log.1"
    path.write_text("".join(map(line, range(50))))
    watch = start((str(path),))
    wait_until(lambda: len(numbers(watch)) == 50)
    watch.service.flush(5)
    with watch.service.unwatched():
        with path.open("a") as file:
            file.writelines(map(line, range(50, 80)))
        copy.write_bytes(path.read_bytes())
        path.write_text("".join(map(line, range(80, 100))))
    wait_until(lambda: len(numbers(watch)) >= 100)
    assert sorted(numbers(watch)) == list(range(100))
    source = next(source for source in watch.service.sources() if source.source == "app")
    assert source.truncations == 1
    copy.write_bytes(path.read_bytes())  # onto the copy before, which is still looked at
    rounds = watch.service.rounds
    wait_until(lambda: watch.service.rounds > rounds + 5)
    path.write_text("".join(map(line, range(100, 110))))
    wait_until(lambda: len(numbers(watch)) >= 110)
    watch.service.flush(5)
    assert sorted(numbers(watch)) == list(range(110))


def test_a_truncation_is_reported(start: Start, tmp_path: Path) -> None:
    """A truncation is an event of its own, and is counted at its source."""
    path = tmp_path / "app.log"
    path.write_text("".join(map(line, range(10))))
    watch = start((str(path),))
    wait_until(lambda: len(numbers(watch)) == 10)
    path.write_text("")
    wait_until(lambda: any(source.truncations for source in watch.service.sources()))
    wait_until(
        lambda: watch.store.select("SELECT count(*) AS n FROM events WHERE kind = 'LOST'").column("n")[0].as_py() == 1
    )


def test_a_file_regrown_past_the_position_is_noticed(start: Start, tmp_path: Path) -> None:
    """A file that was emptied and is longer than before when it is looked at again is read from its start."""
    path = tmp_path / "app.log"
    path.write_text("".join(map(line, range(10))))
    watch = start((str(path),))
    wait_until(lambda: len(numbers(watch)) == 10)
    with watch.service.unwatched():
        path.write_text("".join(map(line, range(100, 130))))
    wait_until(lambda: len(numbers(watch)) >= 40)
    assert sorted(numbers(watch)) == [*range(10), *range(100, 130)]


def test_a_restart_goes_on_where_it_stopped(start: Start, stop: Stop, tmp_path: Path) -> None:
    """What is written while the watch is down is read at its next start, once."""
    path = tmp_path / "app.log"
    path.write_text("".join(map(line, range(10))))
    watch = start((str(path),))
    wait_until(lambda: len(numbers(watch)) == 10)
    stop(watch)
    with path.open("a") as file:
        file.writelines(map(line, range(10, 20)))
    again = start((str(path),))
    wait_until(lambda: len(numbers(again)) >= 20)
    assert numbers(again) == list(range(20))
    assert [record.line_no for record in again.in_file_order()] == list(range(1, 21))


def test_a_file_renamed_while_down_is_read_to_its_end(start: Start, stop: Stop, tmp_path: Path) -> None:
    """A rotation that nobody watched: the rest of the old file and all of the new one are read."""
    path = tmp_path / "app.log"
    path.write_text("".join(map(line, range(10))))
    watch = start((str(path),))
    wait_until(lambda: len(numbers(watch)) == 10)
    stop(watch)
    with path.open("a") as file:
        file.writelines(map(line, range(10, 20)))
    path.rename(tmp_path / "app.log.1")
    path.write_text("".join(map(line, range(20, 30))))
    again = start((str(path),))
    wait_until(lambda: len(numbers(again)) >= 30)
    assert sorted(numbers(again)) == list(range(30))


def test_a_file_replaced_while_down_is_another_file(start: Start, stop: Stop, tmp_path: Path) -> None:
    """The same path, and maybe the same inode, with other content is read from its start."""
    path = tmp_path / "app.log"
    path.write_text("".join(map(line, range(10))))
    watch = start((str(path),))
    wait_until(lambda: len(numbers(watch)) == 10)
    stop(watch)
    path.write_text("".join(map(line, range(50, 80))))
    again = start((str(path),))
    wait_until(lambda: len(numbers(again)) >= 40)
    assert sorted(numbers(again)) == [*range(10), *range(50, 80)]


def test_two_files_with_the_same_beginning_are_two(start: Start, tmp_path: Path) -> None:
    """Files that begin alike, or are tiny, are told apart."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_text(line(1))
    watch = start((str(tmp_path / "*.log"),))
    wait_until(lambda: len(watch.records()) == 2)
    with (tmp_path / "b.log").open("a") as file:
        file.write(line(2))
    wait_until(lambda: len(watch.records()) == 3)
    assert sorted((record.source, record.message) for record in watch.records()) == [
        ("a", "n=1"),
        ("b", "n=1"),
        ("b", "n=2"),
    ]


def test_a_hard_link_and_a_symbolic_link_are_read_once(start: Start, tmp_path: Path) -> None:
    """One file under three names gives its lines once."""
    path = tmp_path / "app.log"
    path.write_text(line(1))
    (tmp_path / "hard.log").hardlink_to(path)
    (tmp_path / "soft.log").symlink_to(path)
    watch = start((str(tmp_path / "*.log"),))
    wait_until(lambda: watch.messages() == ["n=1"])
    with path.open("a") as file:
        file.write(line(2))
    wait_until(lambda: len(watch.messages()) >= 2)
    assert watch.messages() == ["n=1", "n=2"]


def test_a_symbolic_link_that_is_turned_is_followed(start: Start, tmp_path: Path) -> None:
    """`current.log` that points elsewhere now: the new target is read too."""
    (tmp_path / "one.log").write_text(line(1))
    (tmp_path / "two.log").write_text(line(2))
    link = tmp_path / "current.log"
    link.symlink_to("one.log")
    watch = start((str(link),))
    wait_until(lambda: watch.messages() == ["n=1"])
    link.unlink()
    link.symlink_to("two.log")
    wait_until(lambda: watch.messages() == ["n=1", "n=2"])


def test_a_fifo_and_a_binary_are_not_read(start: Start, tmp_path: Path) -> None:
    """A FIFO does not block the watch, and a binary file is no log."""
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "blob.log").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "app.log").write_text(line(1))
    watch = start((str(tmp_path / "*.log"),))
    wait_until(lambda: watch.messages() == ["n=1"])
    assert watch.service.health()["files"] == 1


def test_a_hole_of_zeros_after_a_truncation_is_skipped(start: Start, tmp_path: Path) -> None:
    """A writer that does not append goes on at its old offset after a truncation; the hole is no record."""
    path = tmp_path / "app.log"
    watch = start((str(path),))
    with path.open("wb", buffering=0) as file:
        file.write("".join(map(line, range(10))).encode())
        wait_until(lambda: len(numbers(watch)) == 10)
        os.truncate(path, 0)
        file.write("".join(map(line, range(10, 20))).encode())
        wait_until(lambda: len(numbers(watch)) >= 20)
    assert sorted(numbers(watch)) == list(range(20))


def test_a_deleted_file_is_read_to_its_end(start: Start, tmp_path: Path) -> None:
    """Lines written to a file that has no name any more are still stored."""
    path = tmp_path / "app.log"
    watch = start((str(path),))
    with path.open("w") as file:
        file.write(line(1))
        file.flush()
        wait_until(lambda: watch.messages() == ["n=1"])
        path.unlink()
        file.write(line(2))
        file.flush()
        wait_until(lambda: watch.messages() == ["n=1", "n=2"])


def test_a_huge_line_is_cut_and_counted(start: Start, tmp_path: Path) -> None:
    """A line longer than a record may be is cut; what was left out is counted, with why, also beside what went with an emptied file and after a restart; the next line is whole."""
    path = tmp_path / "app.log"
    watch = start((str(path),), max_record_bytes=10_000)
    path.write_text(line(1) + "x" * 3_000_000 + "\n" + line(2))
    wait_until(lambda: "n=2" in watch.messages())
    wait_until(lambda: watch.service.health()["missed_bytes"] == 2_990_000)
    assert [len(message) for message in watch.messages() if message.startswith("x")] == [10_000]
    (state,) = watch.service.records.files()
    watch.service.records.put(emptied(state, 500, state.updated))
    assert watch.service.records.flush(10)
    watch.stop()
    (source,) = (one for one in start((str(path),)).service.sources() if one.kind == "file")
    assert (source.missed_bytes, source.emptied_bytes) == (2_990_500, 500)


def test_secrets_are_masked_before_they_are_stored(start: Start, tmp_path: Path) -> None:
    """Neither the store nor the live stream sees a secret."""
    path = tmp_path / "app.log"
    path.touch()
    watch = start((str(path),))
    wait_until(lambda: watch.service.health()["files"] == 1)
    with path.open("a") as file:
        file.write("2026-03-01 10:00:00,000 INFO app: password hunter2 given\n")
    wait_until(watch.messages)
    assert watch.messages() == ["password *** given"]
    assert [record.message for record in watch.live] == ["password *** given"]


def test_a_nul_in_its_first_line_hides_no_file(start: Start, tmp_path: Path) -> None:
    """A file that somebody named is followed, with one odd byte as without."""
    path = tmp_path / "app.log"
    path.write_bytes(line(0).encode().replace(b"n=0", b"\0 n=0") + line(1).encode())
    watch = start((str(path),))
    wait_until(lambda: len(watch.messages()) == 2)


def test_what_the_store_refuses_is_kept(start: Start, tmp_path: Path) -> None:
    """While the disk is full nothing is lost: it is said, and stored when there is room again."""
    path = tmp_path / "app.log"
    path.touch()
    watch = start((str(path),), in_store=GatedStore)
    wait_until(lambda: watch.service.health()["files"] == 1)
    assert watch.service.flush(5)
    watch.store.full = True
    path.write_text("".join(map(line, range(50))))
    wait_until(lambda: any("full" in error for error in watch.service.health()["errors"]))
    assert "wait" in watch.service.health()["waiting"]
    assert watch.messages() == []
    watch.store.full = False
    wait_until(lambda: numbers(watch) == list(range(50)))
    wait_until(lambda: not watch.service.health()["errors"])
    assert watch.service.health()["waiting"] == ""
