"""The gateway's process as the agent keeps it: started when it is switched on, told which engines there are, heard about every call."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ai.core.errors import AiError
from ai.gateway.link.budgets import Used
from ai.gateway.link.keys import KeyFile
from ai.gateway.link.messages import (
    MAX_LINE,
    CallRow,
    CannotListen,
    Done,
    In,
    Keys,
    Limits,
    Listening,
    NotLent,
    Out,
    Start,
    State,
    Table,
    Texts,
    Wanted,
    line,
    read_out,
)
from ai.gateway.link.messages import Lent as LentMessage
from ai.service.thread import AiThread
from monitor.agent.gateway_texts import TEXT_CHARS
from monitor.config.sections import GatewaySettings
from monitor.core.paths import ROOT

if TYPE_CHECKING:
    from ai.service.service import AiService

log = logging.getLogger("watchkeeper.gateway")
ProcessState = Literal["off", "starting", "running", "down"]
TABLE_S: Final = 5.0
"""At most so long after a benchmark has changed the policy, the gateway knows."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_ASK_S: Final = 15.0
_END_S: Final = 0.5
_LOAD_S: Final = 600.0


class GatewayProcess:
    """Keeps the gateway as the settings want it. Belongs to the agent's event loop.

    Args:
        settings: returns those in force.
        ai: the engines.
        keys: the keys of programs.
        on_call: gets every call.
        on_texts: gets what was asked and answered, where that is kept.
        used_file: keeps what keys have used.
    """

    def __init__(
        self,
        settings: Callable[[], GatewaySettings],
        ai: AiThread,
        keys: KeyFile,
        on_call: Callable[[CallRow], None],
        *,
        on_texts: Callable[[Texts], None],
        used_file: Path,
    ) -> None:
        self._settings, self._ai, self.keys, self._on_call, self._on_texts = settings, ai, keys, on_call, on_texts
        self._used_file, self._used_kept = used_file, b""
        self.used: dict[str, Used] = {}
        """What each key has used."""
        self._changed = asyncio.Event()
        self._told: dict[type[In], In] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._lending: dict[str, asyncio.Task[None]] = {}
        self._words = self._refusal = ""
        self.process_state: ProcessState = "off"
        self.message = ""
        self.port: int | None = None
        self.state: State | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Its process ID; None while it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def table(self) -> Table | None:
        """The engines that it was told of."""
        table = self._told.get(Table)
        return table if isinstance(table, Table) else None

    def wake(self) -> None:
        """Look at settings, keys and engines soon, because something changed."""
        self._changed.set()

    async def keep(self) -> None:
        """Run one process after another, for as long as the agent runs and the gateway is switched on."""
        pause_s = FIRST_PAUSE_S
        self.used = await asyncio.to_thread(self._read_used)
        while True:
            self._changed.clear()
            wanted = self._settings()
            if not wanted.enabled:
                self._set("off", "")
                await self._changed.wait()
                pause_s = FIRST_PAUSE_S
                continue
            self._set("starting", "the gateway is starting")
            why = await self._run(wanted)
            now = self._settings()
            if not now.enabled or not _same_place(now, wanted):
                continue
            pause_s = FIRST_PAUSE_S if self._told_anything else min(pause_s * 2, LONGEST_PAUSE_S)
            self.restarts += 1
            self._set("down", why)
            log.warning("%s; next attempt in %.1f s", why, pause_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()

    @property
    def _told_anything(self) -> bool:
        """Whether the process that ran last had begun to listen."""
        return self.state is not None

    def _set(self, state: ProcessState, message: str) -> None:
        self.process_state, self.message = state, message
        if state != "running":
            self.port, self.state = None, None if state in {"off", "starting"} else self.state

    async def _run(self, wanted: GatewaySettings) -> str:
        """One process, until it ends or the settings want another; returns why."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
        self._told, self._words, self._refusal = {}, "", ""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ai.gateway", cwd=ROOT, env=environment, limit=MAX_LINE,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            return f"the gateway cannot be started: {error.strerror}"
        self._process = process
        parts = [self._hear(process), self._hear_words(process), self._tell_changes(process, wanted)]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            self._say(process, Start(wanted.port, used=self.used))
            await asyncio.wait({tasks[0], tasks[2]}, return_when=asyncio.FIRST_COMPLETED)
            for task in (tasks[0], tasks[2]):
                if task.done():
                    task.result()
        finally:
            await self._end(process, tasks)
        ended = f"the gateway ended ({self._words})" if self._words else "the gateway ended"
        return self._refusal or ended

    async def _end(self, process: asyncio.subprocess.Process, tasks: "list[asyncio.Task[None]]") -> None:
        """Close its input, which ends it; else kill it. Engines that it has borrowed are free again."""
        self._process = None
        await asyncio.to_thread(self._keep_used)
        for task in [*tasks, *self._lending.values()]:
            task.cancel()
        self._lending.clear()
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self._ask(lambda service: service.lending.give_all_back())

    # --- what it is told

    async def _tell_changes(self, process: asyncio.subprocess.Process, wanted: GatewaySettings) -> None:
        """Limits, keys and engines, each when it has changed, until it has to be started anew."""
        while True:
            self._changed.clear()
            settings = self._settings()
            if not settings.enabled or not _same_place(settings, wanted):
                return
            await self._tell(process, settings)
            await asyncio.to_thread(self._keep_used)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TABLE_S):
                    await self._changed.wait()

    async def _tell(self, process: asyncio.subprocess.Process, settings: GatewaySettings) -> None:
        limits = Limits(
            settings.concurrency, settings.queue, settings.body_mb * 2**20, settings.deadline_s, settings.first_byte_s,
            hedge_s=settings.hedge_s,             text_chars=TEXT_CHARS if settings.keep_texts else 0,
        )  # fmt: skip
        self._say_news(process, limits)
        try:
            names, budgets = await asyncio.to_thread(lambda: (self.keys.names(), self.keys.budgets()))
            self._say_news(process, Keys(names, settings.require_key, budgets))
            table = await self._ai.call(lambda service: service.gateway_table(), deadline_s=_ASK_S)
        except AiError as error:
            self.message = error.message
            log.warning("the gateway goes on with the engines and keys that it knows: %s", error.message)
            return
        self._say_news(process, table)
        if self.process_state == "running":
            self.message = ""

    def _say_news(self, process: asyncio.subprocess.Process, message: In) -> None:
        if self._told.get(type(message)) != message:
            self._told[type(message)] = message
            self._say(process, message)

    def _say(self, process: asyncio.subprocess.Process, message: In) -> None:
        """Write a line. Its reader never waits, so the pipe cannot fill up for long."""
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(line(message))

    # --- what keys have used

    def _read_used(self) -> dict[str, Used]:
        """As an earlier agent kept it; nothing where that cannot be read."""
        try:
            return msgspec.json.decode(self._used_file.read_bytes(), type=dict[str, Used])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("what keys have used is counted anew: %s", error)
            return {}

    def _keep_used(self) -> None:
        """Write it, where it has changed."""
        text = msgspec.json.encode(self.used)
        if text == self._used_kept or not self.used:
            return
        new = self._used_file.with_suffix(".new")
        try:
            new.write_bytes(text)
            new.chmod(0o600)
            new.replace(self._used_file)
            self._used_kept = text
        except OSError as error:
            log.warning("what keys have used cannot be kept: %s", error)

    # --- what it says

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        while text := await process.stdout.readline():
            try:
                self._heard(process, read_out(text))
            except msgspec.DecodeError as error:
                log.warning("a message of the gateway could not be read: %s", error)

    async def _hear_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101 - asked for above
        while text := await process.stderr.readline():
            self._words = text.decode("utf-8", "replace").strip()[:300]
            log.warning("gateway: %s", self._words)

    def _heard(self, process: asyncio.subprocess.Process, message: Out) -> None:
        match message:
            case CallRow():
                self._on_call(message)
            case Texts():
                self._on_texts(message)
            case State():
                self.state = message
                self.used = {**self.used, **message.used}
            case Listening():
                self.port = message.port
                self.process_state, self.message = "running", ""
                log.info("the gateway listens on port %d; process %d", message.port, process.pid)
            case CannotListen():
                self._refusal = f"the gateway cannot listen: {message.message}"
                if process.stdin is not None:
                    process.stdin.close()
            case Wanted():
                self._lending[message.call] = asyncio.create_task(self._lend(process, message))
            case Done():
                self._give_back(message.call)

    async def _lend(self, process: asyncio.subprocess.Process, wanted: Wanted) -> None:
        try:
            lent = await self._ai.call(lambda s: s.lending.lend(wanted.call, wanted.engine), deadline_s=_LOAD_S)
        except AiError as error:
            self._say(process, NotLent(wanted.call, error.message.rstrip(".")))
        else:
            self._say(process, LentMessage(wanted.call, lent.socket, lent.key))

    def _give_back(self, call: str) -> None:
        lending = self._lending.pop(call, None)
        if lending is None:
            return

        async def give() -> None:
            lending.cancel()
            await asyncio.wait({lending})
            await self._ask(lambda service: service.lending.give_back(call))

        task = asyncio.create_task(give())
        self._lending[f"back {call}"] = task
        task.add_done_callback(lambda _: self._lending.pop(f"back {call}", None))

    async def _ask(self, question: "Callable[[AiService], object]") -> None:
        try:
            await self._ai.call(question, deadline_s=_ASK_S)  # type: ignore[arg-type] # a coroutine without a result
        except AiError as error:
            log.warning("an engine could not be given back: %s", error.message)


def _same_place(one: GatewaySettings, other: GatewaySettings) -> bool:
    """Whether both listen on the same port."""
    return one.port == other.port
