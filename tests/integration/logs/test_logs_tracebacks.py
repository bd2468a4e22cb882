"""Stacks of many languages, written by processes that share a file: each is one record, whole, whatever stands beside it."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import logs
from tests.examples import sizes
from tests.waiting import patient, wait_until

HEAD: Final = "2026-03-01 10:11:12,345 - app - ERROR - failed #ID\n"
JAVA_HEAD: Final = "2026-03-01 10:11:12,345 ERROR [main] org.app.Main: failed #ID\n"
STACKS: Final[dict[str, str]] = {
    "python": HEAD
    + """Traceback (most recent call last):
  File "/srv/app/a.py", line 1, in f
    g(x,
    ~^^^
  File "/srv/app/a.py", line 2, in g
    raise KeyError(x)
KeyError: 'x'
""",
    "python chained": HEAD
    + """Traceback (most recent call last):
  File "/srv/app/a.py", line 1, in f
    g()
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app/a.py", line 3, in f
    h()
app.errors.Broken: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/app/a.py", line 9, in main
    f()
RuntimeError: two
""",
    "python syntax": HEAD
    + """Traceback (most recent call last):
  File "/srv/app/a.py", line 1, in <module>
    exec(code)
  File "<string>", line 1
    x = = 1
        ^
SyntaxError: invalid syntax
""",
    "python group": HEAD
    + """  + Exception Group Traceback (most recent call last):
  |   File "/srv/app/a.py", line 5, in main
  |     async with asyncio.TaskGroup() as group:
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app/a.py", line 2, in one
    |     raise ValueError(1)
    | ValueError: 1
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app/a.py", line 3, in two
    |     raise TypeError(2)
    | TypeError: 2
    +------------------------------------
""",
    "python remote": HEAD
    + '''multiprocessing.pool.RemoteTraceback:
"""
Traceback (most recent call last):
  File "/usr/lib/python3.13/multiprocessing/pool.py", line 125, in worker
    result = (True, func(*args, **kwds))
ValueError: 1
"""

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app/a.py", line 7, in <module>
    pool.map(f, range(3))
ValueError: 1
''',
    "java": JAVA_HEAD
    + """java.lang.IllegalStateException: no
\tat org.app.Main.run(Main.java:1)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\tSuppressed: java.io.IOException: close
\t\tat org.app.Disk.close(Disk.java:4)
Caused by: java.util.concurrent.ExecutionException: java.io.IOException: gone
\tat org.app.Disk.read(Disk.java:9)
\t... 3 more
Caused by: java.io.IOException: gone
\t... 5 common frames omitted
""",
    "go": "panic: runtime error: index out of range [5] with length 3 #ID\n"
    """
goroutine 1 [running]:
main.process(0xc000010000, 0x5)
\t/src/main.go:8 +0x1d
main.(*Server).Serve(...)
\t/src/server.go:20
main.main()
\t/src/main.go:4 +0x25
created by main.start in goroutine 1
\t/src/main.go:30 +0x50

goroutine 18 [chan receive]:
net/http.(*Server).Serve(0xc0000b6000, {0x1, 0x2})
\t/usr/local/go/src/net/http/server.go:3086 +0x30
exit status 2
""",
    "go fatal": "fatal error: all goroutines are asleep - deadlock! #ID\n"
    """
goroutine 1 [chan receive]:
main.main()
\t/src/main.go:4 +0x25
""",
    "rust": "thread 'main' panicked at src/main.rs:4:5: #ID\n"
    """index out of bounds: the len is 3 but the index is 5
stack backtrace:
   0: rust_begin_unwind
             at /rustc/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/library/core/src/panicking.rs:72:14
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
""",
    "rust short": "thread 'worker' panicked at src/main.rs:4:5: #ID\n"
    """called `Option::unwrap()` on a `None` value
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
""",
    "node": "/srv/app/index#ID.js:3\n"
    """    throw new Error('no');
    ^

Error: no
    at f (/srv/app/index.js:3:11)
    at Object.<anonymous> (/srv/app/index.js:6:1)
    at node:internal/main/run_main_module:23:47 {
  code: 'ENOENT',
  [cause]: TypeError: x
      at g (/srv/app/index.js:9:9)
}

Node.js v20.11.1
""",
    "node logged": "TypeError: Cannot read properties of undefined #ID\n"
    """    at f (/srv/app/index.js:3:11)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
""",
    "cuda": HEAD
    + """Traceback (most recent call last):
  File "/srv/app/train.py", line 1, in step
    loss.backward()
RuntimeError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
""",
    "cuda memory": HEAD
    + """Traceback (most recent call last):
  File "/srv/app/train.py", line 1, in step
    y = model(x)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB.
""",
    "c++": "terminate called after throwing an instance of 'c10::Error' #ID\n"
    """  what():  CUDA error: device-side assert triggered
Exception raised from c10_cuda_check at ../c10/cuda/CUDAException.cpp:43 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x57 (0x7f in /lib/libc10.so)
frame #1: <unknown function> + 0x1f (0x7f in /lib/libtorch.so)
""",
}
SINGLES: Final = (
    "2026-03-01 10:11:12,345 - app - INFO - on #ID\n",
    '{"time":"2026-03-01T10:11:12Z","level":"INFO","msg":"on #ID"}\n',
    "INFO:     Started server process [77] #ID\n",
)
WRITER: Final = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for record in sys.stdin.buffer.read().split(b"\\0"):
    os.write(file, record)
"""


def records(seed: int, count: int, first: int = 0) -> list[str]:
    """Stacks and single lines, each with a number of its own."""
    chosen = random.Random(seed)
    kinds = [*STACKS.values(), *SINGLES]
    return [chosen.choice(kinds).replace("#ID", f"#{number}#") for number in range(first, first + count)]


def wanted(record: str) -> tuple[str, int]:
    """What a record must be found as: its last line, and how many lines it has."""
    lines = record.rstrip("\n").split("\n")
    return lines[-1].strip(), len(lines)


def found(body: str) -> str:
    """The number in a body."""
    return body.split("#")[1] if body.count("#") > 1 else body


@pytest.mark.parametrize("kind", STACKS)
def test_a_stack_is_one_record(kind: str, tmp_path: Path) -> None:
    """Between other lines, and twice in a row, each stack is one record, an error (or worse)."""
    path = tmp_path / "app.log"
    stack, single = STACKS[kind].replace("#ID", "#1#"), SINGLES[0].replace("#ID", "#0#")
    path.write_text(single + stack + stack + single)
    rows = list(logs.parse_file(path))
    lines = stack.count("\n")
    assert [row["lines"] for row in rows] == [1, lines, lines, 1]
    assert {row["level"] for row in rows[1:3]} <= {"error", "fatal"}


@pytest.mark.parametrize("count", sizes(1000, 5000))
def test_stacks_of_eight_writers(tmp_path: Path, count: int) -> None:
    """Mixed as eight writers mix them, every record of thousands is whole."""
    path = tmp_path / "app.log"
    all_records = records(1, count)
    path.write_text("".join(all_records))
    rows = list(logs.parse_file(path))
    assert [(row["body"].rstrip("\n").split("\n")[-1].strip(), row["lines"]) for row in rows if row["lines"] > 1] == [
        wanted(record) for record in all_records if record.count("\n") > 1
    ]
    assert len(rows) == len(all_records)


def test_eight_processes_share_a_followed_file(start: Callable[..., Any], tmp_path: Path) -> None:
    """Written by eight processes at once and read as it grows, each record is there once, with all its lines."""
    path = tmp_path / "app.log"
    path.touch()
    watch = start((str(path),))
    parts = [records(seed, 50, first=seed * 50) for seed in range(8)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE) for _ in range(len(parts))
    ]
    for writer, part in zip(writers, parts, strict=True):
        assert writer.stdin is not None
        writer.stdin.write("\0".join(part).encode())
        writer.stdin.close()
    assert [writer.wait(patient(60)) for writer in writers] == [0] * len(parts)
    expected = {record.split("#")[1]: record.count("\n") for part in parts for record in part}
    wait_until(lambda: len(watch.records()) >= len(expected))
    watch.service.flush(5)
    assert {found(record.original()): record.lines for record in watch.records()} == expected
    assert len(watch.records()) == len(expected)
