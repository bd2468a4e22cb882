"""Answers as bytes: JSON by msgspec (NaN as null), or an Arrow stream where the request accepts one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from monitor.store.interface import Store
from monitor.store.series import Series
from monitor.store.stop import Stop

ARROW: Final = "application/vnd.apache.arrow.stream"
_SAID_EVERY_S: Final = 0.01
_SAID_TIMES: Final = 50
_encoder: Final = msgspec.json.Encoder()
T = TypeVar("T")


class ClientGone(Exception):
    """Whoever asked has closed the connection."""


def json_answer(value: object, *, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(_encoder.encode(value), status_code=status, media_type="application/json")


def wants_arrow(request: Request) -> bool:
    """Whether the request asks for an Arrow stream."""
    return ARROW in request.headers.get("accept", "")


def arrow_answer(table: pa.Table) -> Response:
    """`table` as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


def rows_answer(request: Request, whole: Mapping[str, Any], rows: Sequence[Any]) -> Response:
    """`whole` as JSON, or its `rows` (structs or dictionaries) as an Arrow stream."""
    if not wants_arrow(request):
        return json_answer(whole)
    return arrow_answer(
        pa.Table.from_pylist([row if isinstance(row, dict) else msgspec.structs.asdict(row) for row in rows])
    )


def series_json(series: Series) -> dict[str, Any]:
    """A series as the API gives it."""
    return {"ts": series.ts, "bucket_us": series.bucket_us, "series": series.values, "gaps": series.gaps}


def series_answer(request: Request, series: Series) -> Response:
    """A series as JSON, or as a table with columns `ts`, `<metric>_avg`, `<metric>_min`, `<metric>_max`."""
    if not wants_arrow(request):
        return json_answer(series_json(series))
    columns: dict[str, Any] = {"ts": pa.array(series.ts, pa.int64())}
    for metric, statistics in series.values.items():
        for name, values in statistics.items():
            columns[f"{metric}_{name}"] = pa.array(values, pa.float64(), from_pandas=True)
    return arrow_answer(pa.table(columns))


async def blocking(request: Request, work: Callable[[], T]) -> T:
    """Run blocking work on a thread; stop waiting for it when whoever asked has gone.

    The work itself has its own deadline. What asks the store is better given to `asked`, which ends it.

    Raises:
        ClientGone: nobody waits any more.
    """
    return await _waited(request, work, Stop())


async def asked(request: Request, store: Store, work: Callable[[Store], T]) -> T:
    """Run work that asks the store on a thread; end its queries when whoever asked has gone.

    Raises:
        ClientGone: nobody waits any more.
    """
    stop = Stop()
    return await _waited(request, lambda: work(store.until(stop)), stop)


async def _waited(request: Request, work: Callable[[], T], stop: Stop) -> T:
    task = asyncio.ensure_future(asyncio.to_thread(work))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        for _ in range(_SAID_TIMES):
            stop.say()
            if (await asyncio.wait({task}, timeout=_SAID_EVERY_S))[0]:
                break
        raise ClientGone
    finally:
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Wait until whoever asked has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
