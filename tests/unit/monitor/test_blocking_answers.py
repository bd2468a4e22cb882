"""Work on threads that answers a request."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from monitor.api.http.answers import blocking


async def _nothing_more() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def _of_none() -> int:
    return next(iter(()))


def test_a_part_that_is_not_found_is_an_error_and_no_wait_without_end() -> None:
    """Asyncio cannot hand a `StopIteration` over from a thread: whoever asked would wait for ever."""

    async def ask() -> int:
        async with asyncio.timeout(60):
            return await blocking(Request({"type": "http"}, receive=_nothing_more), _of_none)

    with pytest.raises(RuntimeError, match="not found"):
        asyncio.run(ask())
