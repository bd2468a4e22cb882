"""Answers as bytes: JSON by msgspec (NaN as null), or an Arrow stream where the request accepts one."""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from monitor.api.http.turns import Turns
from monitor.api_models.base import plain
from monitor.metrics.history import Series
from monitor.store.interface import Stop, Store

ARROW: Final = "application/vnd.apache.arrow.stream"
_SAID_EVERY_S: Final = 0.01
_SAID_TIMES: Final = 50
T = TypeVar("T")


_encoder: Final = msgspec.json.Encoder(enc_hook=plain)


class ClientGone(Exception):
    """Whoever asked has closed the connection."""


def json_answer(value: object, *, status: int = 200) -> Response:
    """A shape of the API, or what has the fields of one, as JSON."""
    body = value.model_dump_json(by_alias=True) if isinstance(value, BaseModel) else _encoder.encode(value)
    return Response(body, status_code=status, media_type="application/json")


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
    """`whole` as JSON, or its `rows` (dataclasses or dictionaries) as an Arrow stream; there `fields` of any shape are JSON text."""
    if not wants_arrow(request):
        return json_answer(whole)
    found = [row if isinstance(row, dict) else dataclasses.asdict(row) for row in rows]
    texts = [row | {"fields": _encoder.encode(row["fields"]).decode()} if "fields" in row else row for row in found]
    return arrow_answer(pa.Table.from_pylist(texts))


def series_answer(request: Request, series: Series) -> Response:
    """A series as JSON, or as a table with columns `ts`, `<metric>_avg`, `<metric>_min`, `<metric>_max`."""
    if not wants_arrow(request):
        return json_answer(series)
    columns: dict[str, Any] = {"ts": pa.array(series.ts, pa.int64())}
    for metric, statistics in series.series.items():
        for name in ("avg", "min", "max"):
            columns[f"{metric}_{name}"] = pa.array(getattr(statistics, name), pa.float64(), from_pandas=True)
    return arrow_answer(pa.table(columns))


async def blocking(request: Request, work: Callable[[], T]) -> T:
    """Run blocking work on a thread; stop waiting for it when whoever asked has gone.

    The work itself has its own deadline. What asks the store is better given to `asked`, which ends it.

    Raises:
        ClientGone: nobody waits any more.
    """
    return await _waited(request, asyncio.to_thread(_ended(work)), Stop())


async def asked(request: Request, store: Store, work: Callable[[Store], T], turns: Turns) -> T:
    """Run work that asks the store on a thread when its turn comes; end its queries when whoever asked has gone.

    Raises:
        Busy: too many wait already.
        ClientGone: nobody waits any more.
    """
    stop = Stop()

    async def run() -> T:
        async with turns:
            return await asyncio.get_running_loop().run_in_executor(turns.threads, _ended(work), store.until(stop))

    return await _waited(request, run(), stop)


def _ended(work: Callable[..., T]) -> Callable[..., T]:
    """The work with its `StopIteration` as another error: asyncio cannot hand that one over, and would wait for ever."""

    def run(*arguments: Any) -> T:
        try:
            return work(*arguments)
        except StopIteration as error:
            raise RuntimeError("a part of the answer was not found") from error

    return run


async def _waited(request: Request, work: Coroutine[Any, Any, T], stop: Stop) -> T:
    task = asyncio.ensure_future(work)
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
