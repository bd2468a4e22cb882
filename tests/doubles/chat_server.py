"""A server of OpenAI's API that says the same sentence to everyone, on a thread of its own, for programs that have their own event loop."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ANSWER: Final = {
    "title": "Data Engineer", "company": "Acme Robotics", "locations": ["Berlin"], "remote_policy": None, "employment_type": None,
    "seniority": None, "salary_min": None, "salary_max": None, "salary_currency": None, "salary_period": None, "skills_required": [],
    "skills_preferred": [], "years_experience": None, "languages": [], "education": None,
    "summary": "Acme Robotics is looking for a Data Engineer in Berlin.", "red_flags": [],
}  # fmt: skip
EACH_S: Final = 0.002


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, answered as its path and its wish for JSON say."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = json.loads(await reader.readexactly(int(sizes[0]))) if sizes else {}
        kind = b"text/event-stream" if body else b"application/json"
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + kind + b"\r\n\r\n")
        if not body:
            writer.write(json.dumps({"data": [{"id": "m"}]}).encode())
            return
        text = json.dumps(ANSWER) if "response_format" in body else "word " * int(body["max_tokens"])
        pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
        for piece in pieces:
            await asyncio.sleep(EACH_S)
            writer.write(_event({"choices": [{"index": 0, "delta": {"content": piece}}]}))
            await writer.drain()
        writer.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}))
        counts = {"prompt_tokens": 30, "completion_tokens": len(pieces)}
        writer.write(_event({"choices": [], "usage": counts}) + b"data: [DONE]\n\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@contextmanager
def serve() -> Iterator[str]:
    """The server's address, without `/v1`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(asyncio.start_server(_connection, "127.0.0.1", 0), loop).result(30)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:

        async def end() -> None:
            server.close()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
