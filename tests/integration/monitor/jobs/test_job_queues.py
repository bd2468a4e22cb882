"""Workers of Celery and RQ, with the real libraries and a real Redis: each try of a task is one job."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.integration.monitor.jobs.conftest import Scene
from tests.waiting import patient, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server: apt-get install redis-server"),
]
needs = {
    name: pytest.mark.skipif(find_spec(name) is None, reason=f"needs {name}: uv sync --group queues")
    for name in ("celery", "rq")
}

CELERY_APP = """
import os, signal, time
from celery import Celery
from track_celery import track_celery
app = Celery("app", broker=os.environ["REDIS"])
app.conf.broker_connection_retry_on_startup = True
track_celery("mails")

@app.task
def well(n): return n

@app.task
def badly(): raise ValueError("no such customer")

@app.task(bind=True, max_retries=1)
def again(self):
    if self.request.retries == 0: raise self.retry(exc=ValueError("busy"), countdown=0)

@app.task
def die(): os.kill(os.getpid(), signal.SIGKILL)

@app.task(time_limit=1)
def late(): time.sleep(60)

@app.task
def leaves(): raise SystemExit("enough")
"""
RQ_APP = """
import os, signal
def well(n): return n
def badly(): raise ValueError("no such customer")
def die(): os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """The path of the socket of a Redis server of its own."""
    path = tmp_path / "r.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        wait_until(path.exists, "Redis listens")
        yield str(path)
        server.terminate()


@pytest.fixture
def run(scene: Scene) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a command beside the modules of both queues; the process group ends with the test."""
    words = [
        sys.executable,
        "-m",
        "monitor",
        "track",
        "--write",
        str(scene.folder / "track.py"),
        "--with",
        "celery",
        "--with",
        "rq",
    ]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environ: str) -> "subprocess.Popen[bytes]":
        base = {"WATCHKEEPER_JOBS": str(scene.spool), "PYTHONPATH": str(scene.folder), "PATH": os.environ["PATH"]}
        out = (scene.folder / "out").open("ab")
        with out:
            process = subprocess.Popen(
                command, cwd=scene.folder, env={**base, **environ}, stdout=out, stderr=out, start_new_session=True
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(patient(30))


def outcomes(scene: Scene) -> dict[str, list[str]]:
    """By task, what became of its tries, as far as they are over."""
    scene.clock += 10.0
    scene.service.round()
    found: dict[str, list[str]] = {}
    for row in scene.rows("SELECT job, outcome, error FROM jobs ORDER BY ts"):
        found.setdefault(row["job"].split()[0], []).append(f"{row['outcome']} {row['error'] or ''}".strip())
    return found


@needs["celery"]
def test_celery(scene: Scene, redis: str, run: Callable[..., "subprocess.Popen[bytes]"]) -> None:
    """Done, failed, retried and killed tasks of a pool of two processes."""
    (scene.folder / "app.py").write_text(CELERY_APP)
    environ = {"REDIS": f"redis+socket://{redis}"}
    send = "from app import *\nfor n in range(40): well.delay(n)\nbadly.delay(); again.delay(); die.delay(); late.delay(); leaves.delay()"
    assert run(sys.executable, "-c", send, **environ).wait(patient(60)) == 0
    worker = run(
        sys.executable,
        "-m",
        "celery",
        "-A",
        "app",
        "worker",
        "-c",
        "2",
        "--without-gossip",
        "--without-mingle",
        **environ,
    )

    def whole() -> bool:
        found = outcomes(scene)
        there = {"app.die", "app.late", "app.leaves"} <= set(found)
        return there and len(found.get("app.well", [])) == 40 and len(found.get("app.again", [])) == 2

    wait_until(whole, lambda: f"{outcomes(scene)} {(scene.folder / 'out').read_text()[-2000:]}", seconds=60)
    found = outcomes(scene)
    assert set(found["app.well"]) == {"done"}
    assert found["app.badly"] == ["failed ValueError: no such customer"]
    assert found["app.late"] == ["failed it took longer than its time limit of 1 s"]
    assert found["app.leaves"] == ["failed SystemExit: enough"]
    assert sorted(found["app.again"]) == ["done", "failed to be tried again: ValueError: busy"]
    assert found["app.die"] == ["interrupted the worker ended; its exit code is unknown"]
    os.killpg(worker.pid, signal.SIGTERM)
    worker.wait(patient(30))
    outcomes(scene)
    assert scene.counts()["open"] == 0


@needs["rq"]
def test_rq(scene: Scene, redis: str, run: Callable[..., "subprocess.Popen[bytes]"]) -> None:
    """Done, failed and killed jobs, and one that is tried again; the worker reports them, though others do the work."""
    (scene.folder / "app.py").write_text(RQ_APP)
    send = (
        "import sys, app\nfrom redis import Redis\nfrom rq import Queue, Retry\nq = Queue('mails', connection=Redis(unix_socket_path=sys.argv[1]))\n"
        "for n in range(5): q.enqueue(app.well, n)\nq.enqueue(app.well, 6, result_ttl=0)\nq.enqueue(app.badly); q.enqueue(app.die)\n"
        "q.enqueue(app.badly, retry=Retry(max=1))\n"
    )
    assert run(sys.executable, "-c", send, redis).wait(patient(60)) == 0
    rq = str(Path(sys.executable).with_name("rq"))
    worker = run(
        rq, "worker", "--burst", "--worker-class", "track_rq.TrackedWorker", "--url", f"unix://{redis}", "mails"
    )
    worker.wait(patient(120))
    found = outcomes(scene)
    assert found["app.well"] == ["done"] * 6, (scene.folder / "out").read_text()[-2000:]
    failed = "ValueError: no such customer"
    assert sorted(found["app.badly"]) == [f"failed {failed}", f"failed {failed}", "failed to be tried again"]
    (died,) = found["app.die"]
    assert died.startswith("failed ")
    assert scene.rows("SELECT count(*) AS runs FROM job_workers") == [{"runs": 1}]
