"""The live socket, `/v1/live`."""

import asyncio
import contextlib
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from monitor.api.http.context import Context
from monitor.api.http.parameters import parse_filter
from monitor.api_models.base import ErrorBody
from monitor.api_models.status import SubscribeMessage
from monitor.core.errors import REPORTED
from monitor.live.hub import Subscriber, encode


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
    """Handle the subscriber's messages, one after the other."""
    greeted = False
    while socket.client_state is WebSocketState.CONNECTED:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        await asyncio.sleep(0)  # messages that wait already would keep everybody else waiting
        try:
            wish = SubscribeMessage.model_validate_json(message.get("text") or message.get("bytes") or "").subscribe
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            said = ": ".join(filter(None, [".".join(str(part) for part in first["loc"]), first["msg"]]))
            subscriber.put(_error("InvalidSubscription", said, 'a message looks like {"subscribe": {"host": true}}'))
            continue
        record_filter = None
        try:
            record_filter = None if wish.logs is None else parse_filter(wish.logs, context.now(), context.snapshot)
        except REPORTED as error:  # a search that is wrong takes nothing away from the rest of the page
            subscriber.put(_error(type(error).__name__, error.message, error.hint))
            wish = wish.model_copy(update={"logs": None})
        if not greeted:
            greeted = True
            subscriber.put(encode(_hello(context, wish.history_s)))
        if subscriber.want(wish, record_filter) and wish.history_s > 0:
            context.hub.follow(subscriber)
        context.hub.welcome(subscriber)


async def _send(socket: WebSocket, subscriber: Subscriber) -> None:
    """Send frames as they come. A slow reader delays only its own queue."""
    while True:
        await socket.send_text(await subscriber.next_frame())


def _error(kind: str, message: str, hint: str) -> str:
    return encode({"t": "error", "error": ErrorBody(kind=kind, message=message, hint=hint)})


def _hello(context: Context, history_s: int) -> dict[str, Any]:
    """The first frame: agent, host, and the last minutes for the charts."""
    about = context.about()
    info = context.snapshot.host
    return {
        "t": "hello",
        "agent": {"pid": about["pid"], "version": about["version"]},
        "host": info,
        "interval_s": about["interval_s"],
        "now": context.now(),
        "history": context.snapshot.history_since(history_s),
    }
