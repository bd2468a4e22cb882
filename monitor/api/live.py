"""The live socket, `/v1/live`."""

import asyncio
import contextlib
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from monitor import models
from monitor.api.context import Context
from monitor.api.logs import parse_filter
from monitor.errors import MonitorError
from monitor.live import Subscriber, encode


def routes(context: Context) -> APIRouter:
    """`/v1/live`."""
    router = APIRouter(prefix="/v1", tags=["live"])

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        subscriber = Subscriber()
        context.hub.add(subscriber)
        sending = asyncio.create_task(_send(socket, subscriber))
        try:
            await _listen(socket, subscriber, context)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the subscriber has gone; nothing is left to tell it
        finally:
            context.hub.remove(subscriber)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    return router


async def _listen(socket: WebSocket, subscriber: Subscriber, context: Context) -> None:
    """Take the subscriber's wishes, one message after the other."""
    greeted = False
    while socket.client_state is WebSocketState.CONNECTED:
        text = await socket.receive_text()
        try:
            wish = models.SubscribeMessage.model_validate_json(text).subscribe
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            subscriber.put(_error("InvalidSubscription", f"{where}: {first['msg']}", ""))
            continue
        record_filter = None
        try:
            record_filter = None if wish.logs is None else parse_filter(wish.logs, context.now())
        except MonitorError as error:  # a search that is wrong takes nothing away from the rest of the page
            subscriber.put(_error(type(error).__name__, error.message, error.hint))
            wish = wish.model_copy(update={"logs": None})
        if not greeted:
            greeted = True
            subscriber.put(encode(_hello(context, wish.history_s)))
        if subscriber.want(wish, record_filter) and wish.history_s > 0:
            context.hub.follow(subscriber)
        context.hub.welcome(subscriber)


async def _send(socket: WebSocket, subscriber: Subscriber) -> None:
    """Send frames as they come; a slow reader holds up only its own queue."""
    while True:
        await socket.send_text(await subscriber.next_frame())


def _error(kind: str, message: str, hint: str) -> str:
    return encode({"t": "error", "error": {"kind": kind, "message": message, "hint": hint}})


def _hello(context: Context, history_s: int) -> dict[str, Any]:
    """Who speaks, and the last minutes of the machine for the charts' first picture."""
    about = context.about()
    info = context.world.host
    return {
        "t": "hello",
        "agent": {"pid": about["pid"], "version": about["version"]},
        "host": None if info is None else msgspec.to_builtins(info),
        "interval_s": about["interval_s"],
        "now": context.now(),
        "history": context.world.history_since(history_s),
    }
