"""Finding log files that processes hold open, and knowing who writes them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from logs.following.discovery import Discovery
from logs.following.source_names import SourceNames
from tests.doubles.alone import elsewhere
from tests.waiting import wait_until

WRITER = "import sys, time; f = open(sys.argv[1], sys.argv[2]); f.write('2026-03-01 10:00:00,000 INFO app: hello\\n'); f.flush(); print('ready', flush=True); time.sleep(60)"


class Writer:
    """A process that holds a file open for writing."""

    def __init__(self, path: Path, mode: str = "a") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), mode], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def scan(**changes: Any) -> dict[str, Any]:
    """What is found, by path."""
    arguments: dict[str, Any] = {"globs": (), "excluded": (), "own_pids": set, "discover": True} | changes
    return {found.path: found for found in Discovery(**arguments).scan().values()}


def test_a_file_open_for_writing_is_found(tmp_path: Path) -> None:
    """A log that another process writes is found, with the process that does."""
    path = tmp_path / "app.log"
    with Writer(path) as writer:
        found = scan()[str(path)]
        assert (found.found_by, [one.pid for one in found.holders], found.inode) == (
            "open",
            [writer.process.pid],
            path.stat().st_ino,
        )


def test_what_is_no_log_is_not_found(tmp_path: Path) -> None:
    """Databases, files of the watch itself, and excluded ones are left alone."""
    with Writer(tmp_path / "app.db"), Writer(tmp_path / "secret.log"), Writer(tmp_path / "own.log") as own:
        found = scan(excluded=(str(tmp_path / "secret*"),), own_pids=lambda: {own.process.pid})
    assert [path for path in found if path.startswith(str(tmp_path))] == []


HOLDS = """
import os, sys
held = []
for name in sys.argv[2:]:
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    held.append(open(name, sys.argv[1]))
    print("a line", file=held[-1], flush=True)
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_is_installed_and_kept_is_no_log(tmp_path: Path) -> None:
    """Texts of packages, entries of caches, words that end in `log` and linked programs are none, opened as they may be; a file `.log` is one anywhere."""
    none = ["node_modules/a/LICENSE-MIT.txt", "node_modules/a/results.txt", ".npm/_cacache/index-v5/11/28/043d03", "lib/site-packages/a/console/names", "LICENSE.txt", "src/ChangeLog", "ThirdPartyNotices.txt", "requirements-dev.txt", "a/catalog", "dialog", "exe/a.out", ".cache/a/output"]  # fmt: skip
    some = ["node_modules/a/npm-debug.log", ".cache/a/a.log.1", "app.txt", "weblog", "errorlog", "a/syslog", "license-server.out", "changelog-service.log", "app.out"]  # fmt: skip
    by_append = [".npm/_cacache/index-v5/11/28/a", "node_modules/a/b"]
    command = [sys.executable, "-S", "-c", HOLDS]
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": tmp_path}
    with subprocess.Popen([*command, "w", *none, *some], **options) as one, subprocess.Popen([*command, "a", *by_append], **options) as two:  # fmt: skip
        for process in (one, two):
            assert process.stdout is not None
            process.stdout.readline()
        found = {path.removeprefix(f"{tmp_path}/") for path in scan() if path.startswith(str(tmp_path))}
        assert found == set(some)
        one.communicate()
        two.communicate()


def test_rows_of_data_are_no_records(tmp_path: Path) -> None:
    """Lines of JSON with neither a time nor a level are a data set, unless their name or their place says otherwise; what is not whole yet is not judged."""
    row, record = (
        '{"prompt": "Say hi", "completion": "Hi", "id": 7}',
        '{"ts": "2026-03-01T10:00:00Z", "msg": "started"}',
    )
    files = {"train.jsonl": row, "rows.ndjson": row, "app.jsonl": record, "level.jsonl": '{"level": "info", "msg": "a"}', "train-log.jsonl": row, "metrics.jsonl": '{"step": 1, "loss": 2.5}', "plain.jsonl": "2026-03-01 10:00:00 INFO a"}  # fmt: skip
    held = [(tmp_path / name).open("a") for name in [*files, "empty.jsonl", "young.jsonl"]]
    command = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
    with (tmp_path / "out.jsonl").open("wb") as output, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, pass_fds=[file.fileno() for file in held]) as program:  # fmt: skip
        for file, text in zip(held, files.values(), strict=False):
            print(text, file=file, flush=True)
        print(record[:20], end="", file=held[-1], flush=True)
        output.write(f"{row}\n".encode())
        output.flush()
        discovery = Discovery(globs=(), excluded=(), own_pids=set, discover=True)

        def found() -> set[str]:
            return {Path(one.path).name for one in discovery.scan().values() if one.path.startswith(str(tmp_path))}

        logs = {"app.jsonl", "level.jsonl", "train-log.jsonl", "metrics.jsonl", "plain.jsonl", "out.jsonl"}
        assert found() == logs, "an empty file, and half a line, tell nothing yet"
        print(record[20:], file=held[-1], flush=True)
        assert found() == logs | {"young.jsonl"}
        program.communicate()
    for file in held:
        file.close()


COPIES = """
import sys
open("/proc/self/comm", "w").write("tar")
held = [open("app.log", "w"), open("own.log", "a"), sys.stdout]
for file in held:
    print("a line", file=file, flush=True)
print("ready", file=sys.stderr, flush=True)
sys.stdin.read()
"""


def test_what_a_program_copies_is_no_log_of_its_own(tmp_path: Path) -> None:
    """What it prints is one, and what it appends to (`rsync --log-file`)."""
    command = [sys.executable, "-S", "-c", COPIES]
    with (tmp_path / "tar.out").open("wb") as output, subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE) as program:  # fmt: skip
        assert program.stderr is not None
        program.stderr.readline()
        found = {path for path in scan() if path.startswith(str(tmp_path))}
        assert found == {str(tmp_path / "tar.out"), str(tmp_path / "own.log")}
        program.communicate()


def test_a_growing_file_is_followed_and_belongs_to_its_run(start: Callable[..., Any], tmp_path: Path) -> None:
    """Without any setting, a process's log is stored, and its records know the run."""
    path = tmp_path / "worker.log"
    with Writer(path) as writer:
        watch = start(discover=True, exclude=elsewhere(tmp_path))
        watch.runs[writer.process.pid] = 4242
        wait_until(lambda: watch.service.files_of_run(4242), "the file belongs to its run")
        with path.open("a") as file:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 1))
            file.write(f"{stamp},000 INFO app: mine\n")
        wait_until(lambda: "mine" in watch.messages(source=path.stem), "the line is stored")
        assert [record.run for record in watch.records(source=path.stem) if record.message == "mine"] == [4242]
        assert watch.service.files_of_run(4242)[0]["path"] == str(path)
        source = next(source for source in watch.service.sources() if source.source == path.stem)
        assert (source.found_by, source.state, source.kind) == ("open", "live", "file")


@pytest.mark.parametrize("how", ["open", "glob"])
def test_a_file_that_turns_out_to_be_no_text_is_let_go(start: Callable[..., Any], tmp_path: Path, how: str) -> None:
    """A compiler's or a database's file is empty when it is found, whatever its name says."""
    blob, app = tmp_path / "blob.log", tmp_path / "app.log"
    command = ["/bin/sh", "-c", 'exec 3>>"$1" 4>>"$2"; echo; read line', "sh", str(blob), str(app)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        globs = (str(tmp_path / "*.log"),) if how == "glob" else ()
        watch = start(globs, discover=how == "open", exclude=elsewhere(tmp_path))
        wait_until(lambda: watch.service.health()["files"] == 2)

        def write(path: Path, data: bytes) -> None:
            with path.open("ab") as file:
                file.write(data)

        if how == "open":
            write(blob, b"\x7fELF" + bytes(range(256)) * 10 + b"\n")
        else:  # as a linker: a hole, texts of the program, and the rest
            write(blob, bytes(70_000) + b"no such file: retry\n" * 2000 + bytes(range(256)) * 2000 + b"\n")
        write(app, b"INFO number 1\n")
        wait_until(
            lambda: watch.service.health()["files"] == 1 and watch.messages() == ["number 1"],
            lambda: f"{watch.service.health()} {watch.messages()}",
        )
        before = watch.service.scans
        wait_until(lambda: watch.service.scans > before + 1)
        write(blob, b"a line of text\n")
        write(app, b"INFO number 2\n")
        wait_until(lambda: watch.messages() == ["number 1", "number 2"])


ROTATES = """
import os, sys, time
path, number = sys.argv[1], 0
for turn in range(int(sys.argv[2])):
    with open(path, "a", buffering=1) as file:
        for _ in range(3):
            file.write(f"INFO number {number}\\n")
            number += 1
        sys.stdin.readline()
    os.rename(path, f"{path}.{turn + 1}")
sys.stdin.read()
"""


@pytest.mark.parametrize("pause", [True, False], ids=["each read", "some come and go between two looks"])
@pytest.mark.parametrize("how", ["open", "glob"])
def test_a_file_that_took_the_place_of_a_rotated_one_belongs_to_the_same_run(
    start: Callable[..., Any], tmp_path: Path, how: str, *, pause: bool
) -> None:
    """From its first line on: the next scan, which looks at open files, may be seconds away."""
    path, turns = tmp_path / "rotating.log", 8
    found: dict[str, Any] = {"globs": (str(path),)} if how == "glob" else {"exclude": elsewhere(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-S", "-c", ROTATES, str(path), str(turns)], stdin=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        wait_until(lambda: path.exists() and path.read_text().count("\n") == 3)
        watch = start(**found, discover=how == "open", runs={program.pid: 4242}, scan_s=600.0)
        wait_until(lambda: [one.run for one in watch.records()] == [4242] * 3, lambda: str(watch.records()))
        for turn in range(turns):
            program.stdin.write("\n")
            program.stdin.flush()
            if pause and turn < turns - 1:
                wait_until(
                    lambda turn=turn: f"number {3 * turn + 5}" in watch.messages(), lambda: str(watch.messages())
                )
        wait_until(lambda: len(watch.messages()) == 3 * turns, lambda: str(watch.messages()))
        assert {one.run for one in watch.records()} == {4242}
        program.stdin.close()


COUNTS = """
import sys
for number in sys.argv[2:]:
    with open(sys.argv[1] % number, "a", buffering=1) as file:
        file.write(f"INFO line of {number}\\n")
        sys.stdin.readline()
"""


def test_files_that_differ_in_a_number_are_one_log_if_one_program_counts_them_up(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """Two programs that write `worker-1.log` and `worker-2.log` have a source each; one that goes on from `app.1.log` to `app.2.log` has one."""

    def program(form: str, *numbers: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-S", "-c", COUNTS, str(tmp_path / form), *numbers]
        return subprocess.Popen(command, stdin=subprocess.PIPE, text=True)

    with program("worker-%s.log", "1") as one, program("worker-%s.log", "2") as two, program("app.%s.log", "1", "2") as counts:  # fmt: skip
        watch = start(discover=True, exclude=elsewhere(tmp_path))
        wait_until(lambda: len(watch.records()) == 3, lambda: str(watch.records()))
        assert counts.stdin is not None
        counts.stdin.write("\n")
        counts.stdin.flush()
        wait_until(lambda: len(watch.records()) == 4, lambda: str(watch.records()))
        found = {(Path(file.path).name, file.source) for file in watch.files()}
        assert found == {
            ("worker-1.log", "worker-1"),
            ("worker-2.log", "worker-2"),
            ("app.1.log", "app.1"),
            ("app.2.log", "app.1"),
        }
        for running in (one, two, counts):
            running.communicate()


def test_sources_have_names_that_a_person_knows() -> None:
    """The stem where it tells something; else the folder or the program that wrote it, what was made up cut short; rotated files share a name, those with another suffix do not."""
    names = SourceNames()
    for path, process, name in [
        ("/srv/a/app.log", "", "app"),
        ("/srv/a/app.log.1", "", "app"),
        ("/srv/a/app-2026-03-01.log", "", "app"),
        ("/srv/a/app.out", "", "app.out"),
        ("/srv/a/app.out.1", "", "app.out"),
        ("/srv/a/app.jsonl", "", "app.jsonl"),
        ("/srv/a/app", "", "a/app"),
        ("/srv/b/app.log", "", "b/app"),
        ("/srv/b/app.err", "", "b/app.err"),
        ("/srv/b/stdout", "", "b/stdout"),
        ("/srv/x,y/a*b.log", "", "a_b"),
        ("/scratch/jobs.0/11f8573c9d4e/stdout", "train", "train/stdout"),
        ("/scratch/jobs.0/22f8573c9d4e/stdout", "train", "train/22f8/stdout"),
        ("/scratch/jobs.0/33f8573c9d4e/stdout", "", "jobs.0/stdout"),
        ("/scratch/tool-8f3a9c2d41.log", "tool", "tool"),
        ("/scratch/tool-9f3a9c2d41.log", "tool", "tool-9f3a"),
        ("/data/8f3a9c2d41aa.log", "worker", "worker/8f3a"),
        ("/home/me/7b6a1c2e-1111-2222-3333-abcdefabcdef/output.log", "serve", "serve/output"),
        ("/root/nohup.out", "train", "train/nohup"),
        ("/var/log/nginx/access.log", "nginx", "nginx/access"),
        ("/srv/train/run.out", "train", "train/run"),
        ("/srv/shop/logs/app.log", "", "shop/app"),
        ("/srv/shop/logs/error.log", "", "shop/error"),
    ]:
        assert names.name(path, process) == name


def test_what_prints_our_records_is_not_followed(tmp_path: Path) -> None:
    """A file into which the watch's own command prints records, itself, through a pipe or through a terminal that is recorded, would feed itself."""
    ours = [
        sys.executable,
        "-c",
        "import time; print('INFO hello', flush=True); time.sleep(60)",
        "-m",
        "monitor",
        "logs",
        "tail",
    ]
    record = (
        "import os, pty, subprocess, sys; file = open(sys.argv[1], 'ab', buffering=0); main, side = pty.openpty();"
        "child = subprocess.Popen(sys.argv[2:], stdout=side, stderr=side); held = os.open('/dev/ptmx', os.O_RDWR);"
        "file.write(os.read(main, 100)); print(child.pid, flush=True); child.wait()"
    )
    straight, piped, recorded = tmp_path / "straight.log", tmp_path / "piped.log", tmp_path / "recorded.log"
    running: list[subprocess.Popen[bytes]] = []
    try:
        with straight.open("ab") as file:
            running.append(subprocess.Popen(ours, stdout=file))
        running.append(subprocess.Popen(ours, stdout=subprocess.PIPE))
        running.append(subprocess.Popen(["tee", str(piped)], stdin=running[1].stdout, stdout=subprocess.DEVNULL))
        recorder = subprocess.Popen([sys.executable, "-c", record, str(recorded), *ours], stdout=subprocess.PIPE)
        running.append(recorder)
        assert recorder.stdout is not None
        child = int(recorder.stdout.readline())
        wait_until(lambda: all(path.exists() and path.stat().st_size for path in (straight, piped, recorded)))
        with Writer(tmp_path / "other.log"):
            assert [Path(path).name for path in scan() if path.startswith(str(tmp_path))] == ["other.log"]
        os.kill(child, signal.SIGKILL)
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_a_table_that_our_command_printed_is_no_log(tmp_path: Path) -> None:
    """`timeout 60 watchkeeper ps > ps.log` where files are followed, while it runs and after its end; once another process writes there it is a log."""
    command, table = tmp_path / "watchkeeper", tmp_path / "ps.log"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nprint('a table', flush=True)\nsys.stdin.read()\nprint('its end')\n"
    )
    command.chmod(0o755)
    discovery = Discovery(globs=[f"{tmp_path}/*.log"], excluded=(), own_pids=set, discover=True)

    def found() -> bool:
        return str(table) in {one.path for one in discovery.scan().values()}

    with table.open("ab") as file:
        ours = subprocess.Popen(["timeout", "60", str(command), "ps"], stdin=subprocess.PIPE, stdout=file)
    wait_until(lambda: table.read_text() == "a table\n")
    assert not found()
    ours.communicate(b"")
    assert table.read_text() == "a table\nits end\n"
    assert not found()
    with Writer(table):
        assert found()


@pytest.mark.parametrize(
    ("name", "beside", "is_log"),
    [
        ("LOG", ("CURRENT", "MANIFEST-000001"), False),
        ("LOG", ("CURRENT", "OPTIONS-000005"), True),
        ("000003.log", ("CURRENT", "OPTIONS-000005"), False),
        ("LOG", (), True),
        ("core.77", (), False),
        ("app.pyc", (), False),
        ("state.db-wal", (), False),
        ("job.out", (), True),
    ],
)
def test_files_of_stores_are_no_logs(tmp_path: Path, name: str, beside: tuple[str, ...], is_log: bool) -> None:  # noqa: FBT001 - a parameter
    """The notes of a LevelDB (a browser has dozens) and write-ahead logs are left alone; those of a RocksDB, and plain logs, are not."""
    for other in beside:
        (tmp_path / other).touch()
    with Writer(tmp_path / name):
        assert (str(tmp_path / name) in scan()) is is_log


def test_a_browser_has_no_logs(tmp_path: Path) -> None:
    """What a browser keeps open is its profile, but for what it prints."""
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b'chrome', 0, 0, 0); " + WRITER
    with (tmp_path / "printed.log").open("ab") as printed:
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "profile.log"), "a"], stdout=printed)
    try:
        wait_until(lambda: (tmp_path / "printed.log").stat().st_size)
        assert [Path(path).name for path in scan() if path.startswith(str(tmp_path))] == ["printed.log"]
    finally:
        process.kill()
        process.communicate()


def test_a_deleted_file_is_not_discovered(tmp_path: Path) -> None:
    """A file without a name cannot be found."""
    path = tmp_path / "app.log"
    with Writer(path):
        os.unlink(path)  # noqa: PTH108
        assert not [found for found in scan() if found.startswith(str(tmp_path))]


def test_a_process_that_began_after_the_last_scan_is_met(tmp_path: Path) -> None:
    """Between two scans, files of processes that begin are found, with who holds them; threads are no processes."""
    discovery = Discovery(globs=(), excluded=(), own_pids=set, discover=True)
    discovery.scan()
    path = tmp_path / "young.log"
    with Writer(path) as writer:
        (found,) = wait_until(lambda: [one for one in discovery.look_at_new() if one.path == str(path)])
        assert [held.pid for held in found.holders] == [writer.process.pid]
        discovery.scan()
        assert [one.path for one in discovery.look_at_new() if one.path == str(path)] == []


FORKS = """
import os, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)  # Python closes it when another program begins
os.write(log, b"INFO said by a service\\n")
for _ in range(6):
    if (pid := os.fork()) == 0:
        time.sleep(0.003)
        os.execvp("sleep", ["sleep", "0.01"])
    os.waitpid(pid, 0)
"""


def test_a_program_that_the_watch_starts_does_not_hold_its_files(tmp_path: Path) -> None:
    """Until it becomes its own program a child has all files of who forked it: the output of a service is not one of that child's."""
    script, path = tmp_path / "monitor" / "services" / "shim" / "run.py", tmp_path / "web" / "output.log"
    for file in (script, path):
        file.parent.mkdir(parents=True)
    script.write_text(FORKS)
    discovery = Discovery(globs=(), excluded=(), own_pids=set, discover=True)
    discovery.scan()
    met: list[str] = []
    with subprocess.Popen([sys.executable, "-I", "-S", str(script), str(path)]) as process:
        while process.poll() is None:
            met += [found.path for found in discovery.look_at_new()]
    assert process.returncode == 0
    assert str(path) not in met


def test_a_big_file_is_found_as_soon_as_somebody_puts_it_there(tmp_path: Path) -> None:
    """Between two scans, in a folder that a pattern looks at, below it too: once, and none of the small ones, which somebody may begin to write."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "old.log").write_text("here before\n" * 100)
    discovery = Discovery(globs=(f"{tmp_path}/in/**/*.log",), excluded=(), own_pids=set, discover=False, big_bytes=1000)
    assert len(discovery.scan()) == 1
    assert discovery.look_at_new() == []
    for place, size in (("in/big.log", 200), ("in/deep/big.log", 200), ("in/deep/small.log", 2)):
        (tmp_path / "made").write_text("a line\n" * size)
        (tmp_path / "made").rename(tmp_path / place)
        found = {one.path: one.found_by for one in discovery.look_at_new()}
        assert found == ({str(tmp_path / place): "glob"} if size > 2 else {})
    assert discovery.look_at_new() == []
    assert len(discovery.scan()) == 4


def test_who_wrote_a_file_is_known_after_the_end(tmp_path: Path) -> None:
    """Two programs that were over before their file was looked for are known, one after the other."""
    path, met = tmp_path / "job.data", set[int]()

    def run_of_pid(pid: int) -> int:
        met.add(pid)
        return pid * 10

    discovery = Discovery(
        globs=(f"{tmp_path}/*.data",), excluded=(), own_pids=set, discover=False, run_of_pid=run_of_pid
    )
    discovery.scan()
    pids = []
    for _ in range(2):
        with Writer(path) as writer:
            pids.append(pid := writer.process.pid)
            # among many new ones the newest come first: it may take more than a look
            wait_until(lambda pid=pid: discovery.look_at_new() is not None and pid in met)
    (found,) = discovery.scan().values()
    assert found.path == str(path)
    assert [[held.pid for held in group] for group in (*found.earlier, found.holders)] == [[pids[0]], [pids[1]]]
    assert [held.run for held in found.holders] == [pids[1] * 10]
