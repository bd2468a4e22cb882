"""A gateway process as the agent runs it: told by its standard input, heard by its standard output."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ai.gateway.link.keys import hash_of
from ai.gateway.link.messages import (
    CallRow,
    CannotListen,
    Engine,
    In,
    Keys,
    Limits,
    Listening,
    Model,
    Out,
    Start,
    State,
    Table,
    line,
    read_out,
)
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
KEY = "wk-test"
M = TypeVar("M", bound=Out)


class RunningGateway:
    """What it said, and its address."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.said: list[Out] = []
        self.complaints: list[str] = []
        self.port = 0
        self._threads = [
            threading.Thread(target=self._hear, daemon=True),
            threading.Thread(target=self._hear_complaints, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def tell(self, *messages: In) -> None:
        """Say something to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(map(line, messages)))
        self.process.stdin.flush()

    def all_of(self, kind: type[M]) -> list[M]:
        """What it said of this kind."""
        return [message for message in list(self.said) if isinstance(message, kind)]

    def rows(self, count: int = 1) -> list[CallRow]:
        """So many calls, oldest first."""
        wait_until(lambda: len(self.all_of(CallRow)) >= count, lambda: f"{count} calls, not {self.all_of(CallRow)}")
        return self.all_of(CallRow)

    def state(self) -> State:
        """Its newest state."""
        return wait_until(lambda: self.all_of(State), "a state")[-1]

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            self.said.append(read_out(text))

    def _hear_complaints(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            self.complaints.append(text.decode("utf-8", "replace").rstrip())


def engine(
    name: str, url: str, kind: str = "openai", models: Sequence[str] = ("stub",), embeds: Sequence[str] = ()
) -> Engine:
    """An engine of the table."""
    found = [*(Model(m) for m in models), *(Model(m, chats=False, embeds=True) for m in embeds)]
    return Engine(name, kind, name.title(), url, model=models[0] if models else "", models=tuple(found))  # type: ignore[arg-type]


@contextmanager
def running(*engines: Engine, limits: Limits | None = None, required: bool = True) -> Iterator[RunningGateway]:
    """A gateway over these engines; `KEY` opens it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ai.gateway"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    gateway = RunningGateway(process)
    try:
        gateway.tell(limits or Limits(), Keys({hash_of(KEY): "tests"}, required), Table(engines), Start(0))
        heard = wait_until(
            lambda: gateway.all_of(Listening) or gateway.all_of(CannotListen) or process.poll(), "a port"
        )
        assert isinstance(heard, list), gateway.complaints
        assert isinstance(heard[0], Listening), heard
        gateway.port = heard[0].port
        yield gateway
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            code = process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
    assert code == 0, gateway.complaints
    assert gateway.complaints == []
