"""Times and rates against a server that stamps what it writes, on the same clock.

The server writes a piece only after the one before was read, so each arrival must lie between two of its stamps: on any machine, however busy.
"""

import asyncio
from contextlib import aclosing

import pytest

from ai.backends.ollama.backend import OllamaBackend
from ai.backends.openai.backend import OpenAIBackend
from ai.core.protocol import Backend
from ai.core.types import Chunk, Final, LoadSpec
from tests.doubles.ai_kit import ask
from tests.doubles.stamped_server import Api, Piece, StampedServer, Stamps

ANSWERS = {
    "a role first": [Piece("role"), *[Piece("content", 1)] * 6, Piece("finish")],
    "several tokens a chunk": [Piece("role"), *[Piece("content", n) for n in (7, 1, 12, 5, 3)], Piece("finish")],
    "reasoning first": [Piece("role"), *[Piece("reasoning", 2)] * 3, *[Piece("content", 1)] * 3, Piece("finish")],
    "a last token without text": [*[Piece("content", 1)] * 4, Piece("finish", 1)],
}  # fmt: skip


async def measured(server: StampedServer, read: asyncio.Semaphore) -> tuple[list[Chunk], Final, Stamps]:
    """What the client measured of one answer; it tells the server about each piece it has read."""
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    backend: Backend = OpenAIBackend(url) if server.api == "openai" else OllamaBackend(url)
    chunks, final = [], None
    async with listener:
        try:
            await backend.ensure_loaded(LoadSpec("m"))
            async with aclosing(backend.stream(ask("hi", max_tokens=100))) as events:
                async for event in events:
                    if isinstance(event, Chunk):
                        chunks.append(event)
                        read.release()
                    else:
                        final = event
        finally:
            await backend.close()
    assert final is not None
    return chunks, final, server.stamps[-1]


@pytest.mark.parametrize("api", ["openai", "ollama"])
@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("what", list(ANSWERS))
def test_every_time_lies_where_the_server_says(api: Api, what: str, *, usage: bool) -> None:
    """First token, time a token and tokens a second: each within the server's own stamps; counts from the server alone."""
    pieces = ANSWERS[what]

    async def run() -> tuple[list[Chunk], Final, Stamps]:
        read = asyncio.Semaphore(0)
        due = [0]

        async def wait(piece: Piece) -> None:
            if due[0]:
                await read.acquire()  # the piece before has been read
                await asyncio.sleep(0.004)  # and was no part of one bunch with the next
            elif piece.spoken:
                await asyncio.sleep(0.02)  # what came before it (a role) is no first token
            due[0] = int(piece.spoken)

        return await measured(StampedServer(api, pieces, wait, usage=usage), read)

    chunks, final, stamps = asyncio.run(run())
    spoken = [at for at, piece in enumerate(pieces) if piece.spoken]
    assert len(chunks) == len(spoken)
    assert final.sent_ns <= stamps.received
    for chunk, at in zip(chunks, spoken, strict=True):
        assert stamps.written[at] <= chunk.t_ns <= stamps.written[at + 1]
        assert chunk.kind == pieces[at].kind
    first, last = stamps.written[spoken[0]], stamps.written[-1]
    times = final.timings
    assert times.ttft is not None
    assert times.generation_measured is not None
    assert first - final.sent_ns <= times.ttft.value * 1e9 + 1 <= stamps.written[spoken[0] + 1] - final.sent_ns + 2
    assert last - chunks[0].t_ns <= times.generation_measured.value * 1e9 + 1 <= final.t_ns - chunks[0].t_ns + 2
    rate, later = final.measured_rate(), sum(piece.tokens for piece in pieces[spoken[0] + 1 :])
    assert (rate is not None) == usage, "a guessed count gives no rate"
    if rate is not None:
        assert rate.origin == "measured"
        assert rate.value == pytest.approx(later / times.generation_measured.value)
