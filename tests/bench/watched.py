"""A whole watch under load, for benchmarks: agent, sampler and dashboard, viewers on its live socket, pages that rerun without a pause."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.typing import Origin, Subprotocol

from monitor.client.client import Client

ROOT = Path(__file__).resolve().parents[2]
WANTED = {"subscribe": {"host": True, "processes": True, "status": True, "logs": {}, "history_s": 300}}
PAGES = ("performance", "processes")
ROWS_A_QUERY = 5_000


@contextlib.contextmanager
def started(place: Path) -> Iterator[str]:
    """`watchkeeper up` on a free port and a data directory of its own; gives the dashboard's address."""
    words = [sys.executable, "-m", "monitor", "up", "--no-browser", "--port", "0", "--data-dir", str(place), "--json"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"]).rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


async def viewer(url: str, counts: dict[str, int]) -> None:
    """One browser's live socket, through the dashboard's relay; everything is taken."""
    async with websockets.connect(url.replace("http", "ws") + "/wk/live", origin=Origin(url), max_size=None) as socket:
        await socket.send(json.dumps(WANTED))
        async for text in socket:
            frame = json.loads(text)
            counts[frame["t"]] = counts.get(frame["t"], 0) + frame.get("frames", 1)


async def busy_page(url: str, page: str, counts: dict[str, int]) -> None:
    """One tab whose script runs again as soon as it has ended, as a page that recomputes would."""
    address = url.replace("http", "ws") + "/_stcore/stream"
    tab = websockets.connect(address, origin=Origin(url), subprotocols=[Subprotocol("streamlit")], max_size=None)
    async with tab as socket:
        while True:
            again = BackMsg()
            again.rerun_script.page_name = page
            await socket.send(again.SerializeToString())
            answer = ForwardMsg()
            while answer.WhichOneof("type") != "script_finished":
                answer.ParseFromString(await socket.recv())
            counts[page] = counts.get(page, 0) + 1


async def look_on(url: str, seconds: float, viewers: int, pages: int) -> dict[str, Any]:
    """Keep that many viewers and busy pages for a while; answers what each was served."""
    seen: list[dict[str, int]] = [{} for _ in range(viewers)]
    reruns: dict[str, int] = {}
    tasks = [asyncio.create_task(viewer(url, one)) for one in seen]
    tasks += [asyncio.create_task(busy_page(url, PAGES[n % len(PAGES)], reruns)) for n in range(pages)]
    ended, _ = await asyncio.wait(
        [*tasks, asyncio.create_task(asyncio.sleep(seconds))], return_when=asyncio.FIRST_COMPLETED
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()  # a viewer that was put out ends the measurement
    return {"frames_a_viewer": seen, "reruns": reruns}


def stored_times(data_dir: Path) -> tuple[list[int], dict[str, Any]]:
    """When each stored reading of the host was taken, microseconds, in order; and the agent's own account of its samples."""
    with Client.of(data_dir, timeout_s=60) as client:
        sample_counter = client.get_json("/v1/status")["samples"]
        times: list[int] = []
        while True:
            sql = f"SELECT epoch_us(ts) AS us FROM host_samples WHERE us > {times[-1] if times else 0} ORDER BY us"
            rows = client.query(sql, limit=ROWS_A_QUERY).rows
            times += [int(us) for (us,) in rows]
            if len(rows) < ROWS_A_QUERY:
                return times, sample_counter


def interval_errors_ms(times: list[int]) -> tuple[list[float], int]:
    """How far each stored distance is from the nearest count of seconds (at least one), and the seconds that have no reading."""
    distances = [after - before for before, after in pairwise(times)]
    steps = [max(1, round(distance / 1e6)) for distance in distances]
    errors = [abs(distance / 1000 - 1000 * step) for distance, step in zip(distances, steps, strict=True)]
    return errors, sum(steps) - len(steps)
