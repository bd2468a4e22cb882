"""What is known of one call while it lasts, and its record."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Final

from ai.gateway.apis.figures import Figures, Meter
from ai.gateway.apis.forms import Api
from ai.gateway.apis.texts import AnswerText
from ai.gateway.link.messages import CallRow, Current, Program
from ai.gateway.peers import UNKNOWN

_MOST_MESSAGE: Final = 300
_BYTES_A_TOKEN: Final = 4


@dataclass(slots=True)
class Call:
    """What is known of a call while it lasts."""

    api: Api
    path: str
    key: str
    program: "asyncio.Future[Program]"
    bytes_in: int
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    ts: int = field(default_factory=lambda: time.time_ns() // 1000)
    begun: float = field(default_factory=time.perf_counter)
    wanted: str = ""
    stream: bool = False
    backend: str = ""
    model: str = ""
    phase: str = "waiting"
    attempts: int = 0
    queued_s: float = 0.0
    status: int = 0
    outcome: str = "answered"
    message: str = ""
    first: float | None = None
    meter: Meter | None = None
    said: AnswerText | None = None
    """The text of its answer, where that is kept."""

    def refuse(self, outcome: str, status: int, message: str) -> None:
        """It ends without an answer of an engine."""
        self.outcome, self.status, self.message = outcome, status, message

    def current(self) -> Current:
        """How it is now."""
        return Current(
            self.id, self.ts, self.phase, self.key, self.known_program(), self.wanted, self.backend, self.model
        )

    def known_program(self) -> Program:
        """The program that made it, as far as it is known by now."""
        return self.program.result() if self.program.done() and not self.program.cancelled() else UNKNOWN

    def tokens(self) -> int:
        """Tokens of its prompt and its answer. Those of a prompt that an engine read without a word about it (the program hung up) are estimated."""
        if self.meter is None:
            return 0
        figures = self.meter.figures()
        read = self.bytes_in // _BYTES_A_TOKEN if figures.prompt_tokens is None else figures.prompt_tokens
        return read + (figures.completion_tokens or 0)

    def _first_token_s(self) -> float | None:
        """Until the first token of a stream was here, which events without one may come before; until the first byte of what has no such token."""
        if self.first is None:
            return None
        seen = self.meter.first if self.meter is not None else 0.0
        return (seen or self.first) - self.begun

    def row(self, bytes_out: int) -> CallRow:
        """Its record."""
        figures = self.meter.figures() if self.meter is not None else Figures()
        return CallRow(
            call=self.id, ts=self.ts, api=self.api, route=self.path, program=self.known_program(), key=self.key, wanted=self.wanted[:200],
            backend=self.backend, model=self.model, stream=self.stream, attempts=self.attempts, outcome=self.outcome, status=self.status,
            message=self.message[:_MOST_MESSAGE], queued_s=self.queued_s, total_s=time.perf_counter() - self.begun,
            ttft_s=self._first_token_s(), prompt_tokens=figures.prompt_tokens,
            completion_tokens=figures.completion_tokens, tokens_origin=figures.origin, tokens_per_s=figures.tokens_per_s,
            bytes_in=self.bytes_in, bytes_out=bytes_out,
        )  # fmt: skip
