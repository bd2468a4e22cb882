"""Keeps the services of the settings: starts their shims in the order of their dependencies and at the times of their schedules, adopts shims that
run already, and passes on what people ask for.

Restarts are the shims' own business. All methods belong to the agent's event loop.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from logs import Generations, Holder
from monitor.api_models.services import Service
from monitor.config.services import ServiceSettings
from monitor.config.settings import Settings
from monitor.core.errors import MonitorError
from monitor.core.exit_words import ended_with
from monitor.services.folder import FOLDER, ServiceFolder, active
from monitor.services.link import Link, Wish, start_shims
from monitor.services.unit import LOST, RunOf, Unit
from monitor.services.units import Units, as_counted
from monitor.store.lives import ToldLife

log = logging.getLogger("watchkeeper.services")
LOOK_S: Final = 2.0
WAIT_S: Final = 3.0
"""How long an answer waits for a start to succeed or fail."""
SLACK_S: Final = 5.0
AGAIN_S: Final = 0.05
REMOVED: Final = "removed from the settings"
AVAILABLE: Final = sys.platform == "linux"


class Supervisor:
    """The services of one data directory.

    Args:
        data_dir: where their folders are.
        settings: the settings in force at the start; later ones are read from the same file.
        environ: the environment that services get.
        run_of: the run of a process by its pid and start tick.
        mask: hides secrets in a command.
        changed: called whenever the list of services changes.
        happened: called with a service that came into another state, or was started again; as it was before, and as it is.
        ended: called with main processes that are over, also those that ended while no agent ran; with some of them more than once.
        asked: called with a run that somebody wants to end, who in words, how many seconds that may take, and the run of its shim.
        clock: seconds since the epoch, for schedules.
        look_s: how often the settings file and the clock are looked at.
        open_files: the limit of open files that services get; None: that of this process.
    """

    def __init__(
        self,
        data_dir: Path,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        run_of: RunOf,
        mask: Callable[[Sequence[str]], str],
        changed: Callable[[], None],
        happened: Callable[[Service, Service], None],
        ended: Callable[[Sequence[ToldLife]], None] = lambda _lives: None,
        asked: Callable[[int, str, float, int | None], None] = lambda _run, _by, _within_s, _shim: None,
        clock: Callable[[], float] = time.time,
        look_s: float = LOOK_S,
        open_files: int | None = None,
    ) -> None:
        self._happened, self._ended, self._asked, self._open_files = happened, ended, asked, open_files
        self._told: dict[str, tuple[tuple[Any, ...], Service]] = {}
        self._clock, self._look_s = clock, look_s
        self._base, self._settings, self._environ = data_dir / FOLDER, settings, environ
        self._run_of, self.mask, self._list_changed = run_of, mask, changed
        self._units = Units(self._base, clock)
        self._listening: set[asyncio.Task[None]] = set()
        self._saving = asyncio.Lock()
        self._wake, self._news = asyncio.Event(), asyncio.Event()
        self._file_seen: int | None = None
        self.adopted = asyncio.Event()  # it is known which services run already
        self.trouble = ""
        """Why a change of the settings file is not in force; empty if it is."""
        self._units.take(settings.service)

    # --- what others ask

    def services(self) -> list[Service]:
        """All services, by name; `worker-2` stands before `worker-10`."""
        return [self._shown(unit) for unit in sorted(self._units, key=lambda unit: as_counted(unit.name))]

    def service(self, name: str) -> Service:
        """One service.

        Raises:
            UnknownService: there is none of this name.
        """
        return self._shown(self._units.get(name))

    def folder(self, name: str) -> ServiceFolder:
        """The folder of a service; raises `UnknownService`."""
        return self._units.get(name).folder

    def settings_of(self, name: str) -> ServiceSettings | None:
        """The settings of a service, None once it was removed from the file; raises `UnknownService`."""
        return self._units.get(name).settings

    def outputs(self) -> dict[str, str]:
        """The file of each service's output, and the name of its source."""
        return {str(unit.folder.output): unit.name for unit in self._units}

    def shims(self) -> list[int]:
        """The processes that keep the services."""
        return [unit.state["shim"] for unit in self._units if unit.link is not None and unit.state]

    def writers_of(self, path: str) -> list[Holder] | None:
        """The last main processes of the service that an output file belongs to, one after the other, each with the parts that it wrote; None for any other
        file. From any thread.
        """
        unit = self._units.of_output(path)
        return None if unit is None else unit.lives(self._run_of)

    def generations_of(self, path: str) -> Generations | None:
        """Where in the output of a service each of its files begins, by the path of one; None for any other file. From any thread."""
        unit = self._units.of_output(path)
        return None if unit is None else unit.files()

    async def start(self, name: str, by: str = "") -> Service:
        """Start a service and what it depends on; returns once it runs or failed, or after some seconds. One that is up stays as it is; one that is
        about to end is started again.

        Raises:
            UnknownService: there is none of this name.
            MonitorError: this platform cannot run services, or its folder cannot be written.
        """
        await self._ready()
        unit = self._units.get(name)
        log.info("start of service %s asked for%s", name, f" by {by}" if by else "")
        await self._request(unit, Wish("start", f"started by {by}" if by else "started by hand"))
        await self._until(lambda: not unit.requested and unit.word != "starting", WAIT_S)
        return self.service(name)

    async def stop(self, name: str, by: str = "") -> Service:
        """Stop a service and all processes below it; returns once it is gone, or its grace is long over.

        Raises:
            UnknownService: there is none of this name.
        """
        await self._ready()
        unit = self._units.get(name)
        unit.folder.keep_stopped(True)
        unit.requested, unit.due, unit.trouble, unit.lost = False, None, "", False
        log.info("stop of service %s asked for%s", name, f" by {by}" if by else "")
        if unit.link is not None or unit.launching:
            await self._wish(unit, Wish("stop", f"stopped by {by}" if by else "stopped by hand"))
            await self._until(
                lambda: (unit.link is None and not unit.launching) or not unit.folder.was_stopped,
                unit.grace_s + SLACK_S,
            )
        self._tell()
        return self.service(name)

    async def restart(self, name: str, by: str = "") -> Service:
        """Stop and start a service, with its settings as they are now. One that is not up is started.

        Raises:
            UnknownService: there is none of this name.
            MonitorError: its folder cannot be written.
        """
        await self._ready()
        unit = self._units.get(name)
        if not unit.is_up or unit.settings is None:
            return await self.start(name, by)
        before, grace = (unit.state or {}).get("started"), unit.settings.stop_grace_s + SLACK_S
        log.info("restart of service %s asked for%s", name, f" by {by}" if by else "")
        await self._request(unit, Wish("restart", f"restarted by {by}" if by else "restarted by hand"))
        done = ("running", "failed")
        await self._until(
            lambda: (
                not (unit.requested or unit.launching)
                and (unit.link is None or ((unit.state or {}).get("started") != before and unit.word in done))
            ),
            grace,
        )
        return self.service(name)

    async def save(self, name: str, table: Mapping[str, Any] | None, *, new: bool = False) -> Service | None:
        """Write the settings of a service to the file, or remove it (`table` is None), and use them.

        Raises:
            SettingsError: a value is wrong, or it is to be `new` and there is one of this name; nothing is written.
            ConfigError: the file cannot be written.
        """
        async with self._saving:
            self._settings = await asyncio.to_thread(self._settings.save_service, name, table, new=new)
            await self._apply(self._settings)
            self._wake.set()
        found = self._units.find(str((table or {}).get("name", name)))
        return None if found is None else self._shown(found)

    async def read_again(self) -> None:
        """Use the services that the settings file has now."""
        path = self._settings.path
        seen = None
        if path is not None:
            with contextlib.suppress(OSError):
                seen = path.stat().st_mtime_ns
        if seen == self._file_seen:
            return
        self._file_seen = seen
        async with self._saving:
            try:
                self._settings = await asyncio.to_thread(self._settings.again)
            except MonitorError as error:
                self.trouble = f"the settings file is wrong, so services stay as they were: {error.message}"
                log.warning("%s", self.trouble)
                return
            self.trouble = ""
            await self._apply(self._settings)

    # --- the loop

    async def keep_services(self) -> None:
        """Adopt what runs, start what is to run, and go on until cancelled. Shims outlive this."""
        if not AVAILABLE:
            self.adopted.set()
            return
        try:
            await self._adopt()
            while True:
                self._wake.clear()
                await self.read_again()
                self._look_at_schedules()
                await self._start_requested()
                self._units.keep_waiting()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._wake.wait()
        finally:
            for unit in self._units:
                if unit.link is not None:
                    unit.link.close()
                    unit.link = None
            for task in self._listening:
                task.cancel()

    def _pause(self) -> float:
        due = [unit.due - self._clock() for unit in self._units if unit.due is not None]
        return max(0.01, min([self._look_s, *due]))

    async def _adopt(self) -> None:
        """Connect to the shims that run already, and see what became of the others."""
        there = [path for path in self._base.iterdir() if path.is_dir()] if self._base.is_dir() else []
        for path in there:
            if self._units.find(path.name) is None:
                unit = Unit(ServiceFolder(path), None)
                unit.link = await Link.open(path)
                if unit.link is None:
                    continue  # it was removed from the settings, and does not run
                self._units.add(unit)
        units = list(self._units)  # together, as in a start each step waits for its turn
        await asyncio.gather(*(self._meet(unit, again=True) for unit in units))
        await asyncio.gather(*(self._tell_ends(unit) for unit in units))
        self.adopted.set()
        self._list_changed()
        self._tell()

    async def _meet(self, unit: Unit, *, again: bool) -> None:
        """See what became of a service, and begin it if it has not run before: in this boot, if the agent only begins `again`; else since it is in the
        settings.
        """
        unit.state = unit.folder.state()
        link = unit.link or await Link.open(unit.folder.path)
        if link is not None:
            log.info("service %s runs already, as process %s", unit.name, (unit.state or {}).get("pid"))
            self._listen(unit, link)
        elif active(unit.state):
            await self._lost(unit)
        elif unit.state is None or not again:
            self._begin(unit)
        else:
            unit.plan(self._clock())
        unit.take_up_waiting(again=again)

    def _begin(self, unit: Unit) -> None:
        """What a service does by itself that was not started in this boot, or is new in the settings."""
        if unit.settings is None or unit.folder.was_stopped:
            return
        unit.plan(self._clock())
        unit.requested = unit.settings.autostart and not unit.settings.schedule

    def _look_at_schedules(self) -> None:
        for unit in self._units:
            if not unit.is_due(self._clock()):
                continue
            if unit.is_up:
                log.warning("service %s is due, but its last run goes on; this run is left out", unit.name)
            else:
                unit.requested, unit.trouble, unit.lost = True, "", False
            unit.plan(self._clock())

    async def _start_requested(self) -> None:
        """Start shims for all that may start now."""
        ready = [unit for unit in self._units if unit.requested and unit.link is None and not self._units.waits(unit)]
        if not ready:
            return
        by_name = {unit.name: unit for unit in ready}
        for unit in ready:
            unit.launching, unit.wish, unit.requested = True, None, False  # who asks from now on asks for another start
        try:
            for unit in ready:
                if unit.settings is not None:
                    await asyncio.to_thread(unit.folder.write_spec, unit.settings, self.mask, self._settings.path)
            troubles = await start_shims([unit.folder.path for unit in ready], self._environ, self._open_files)
        except (OSError, MonitorError) as error:
            troubles = dict.fromkeys(by_name, str(error))
        for name, unit in by_name.items():
            await self._launched(unit, troubles.get(name, ""))
        self._tell()

    async def _launched(self, unit: Unit, trouble: str) -> None:
        """A shim was started for a service, or could not be."""
        link = await Link.open(unit.folder.path) if trouble in {"", "busy"} else None
        unit.launching = False
        wanted = unit.settings is not None and not unit.folder.was_stopped
        if trouble == "busy" and link is None and wanted:  # its last shim is just ending
            unit.requested = True
            asyncio.get_running_loop().call_later(AGAIN_S, self._wake.set)
            return
        unit.trouble = "" if trouble == "busy" else trouble
        if unit.trouble:
            log.error("service %s could not be started: %s", unit.name, unit.trouble)
        elif link is not None:
            if unit.requested:  # asked for while it was being started: it may be over by now
                unit.wish = Wish("start", "")
            self._listen(unit, link)
        else:  # it ended at once
            unit.state = unit.folder.state()
        if unit.settings is None and unit.link is None:
            self._forget(unit)

    def _listen(self, unit: Unit, link: Link) -> None:
        unit.link, unit.lost, unit.trouble, unit.state = link, False, "", unit.state if active(unit.state) else None
        task = asyncio.create_task(self._hear(unit, link), name=f"service {unit.name}")
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)

    async def _hear(self, unit: Unit, link: Link) -> None:
        """Follow what a shim says, until it ends."""
        met = False
        async for state in link.states():
            before = (unit.state or {}).get("pid")
            self._note(unit, state)
            if not met and unit.wish is not None:  # asked for while there was no connection
                await link.send(unit.wish)
            met = True
            self._tell()
            self._wake.set()  # others may wait for it
            await self._tell_ends(unit, before)
        link.close()
        if unit.link is not link:
            return
        # What it said last counts before its file, which a full disk keeps as it was
        left = unit.state if met and not active(unit.state) else await asyncio.to_thread(unit.folder.state)
        again = await Link.open(unit.folder.path) if active(left) else None  # it may only have hung up
        unit.link, unit.state = None, left  # at once with what follows: whoever waits for its end sees the whole of it
        if again is not None:
            self._listen(unit, again)
        elif active(left):
            await self._lost(unit)
        elif unit.state is not None:
            log.info("service %s: %s", unit.name, unit.stands)
        if unit.link is None:
            wish, unit.wish = unit.wish, None
            if unit.settings is None:
                self._forget(unit)
            elif unit.requested and wish is not None:  # too late for this shim, and the next one may need others
                await self._request(unit, Wish("start", wish.by))
        self._tell()
        self._wake.set()
        await self._tell_ends(unit)

    async def _tell_ends(self, unit: Unit, before: object = "") -> None:
        """Tell of the main processes that are over, as its shim wrote them down; none is, if the process `before` is still there."""
        if before == (unit.state or {}).get("pid"):
            return
        lives, unit.told = await asyncio.to_thread(unit.folder.lives, unit.told)
        if lives:
            self._ended(lives)

    def _note(self, unit: Unit, state: dict[str, object]) -> None:
        before = unit.state or {}
        unit.hear(state)
        if state["restarts"] != before.get("restarts", 0) or state["state"] == "backoff":
            how = ended_with(state["exit_code"], state["exit_signal"])  # type: ignore[arg-type]
            log.warning("service %s ended (%s); %s", unit.name, how or "how is unknown", state["state"])

    async def _lost(self, unit: Unit) -> None:
        """Its shim was killed, or the machine's container began anew: end what is left, and start it again where its rule says so."""
        killed = await asyncio.to_thread(unit.folder.end_leftovers)
        log.error("service %s: %s; %d of its processes were left and are ended", unit.name, LOST, killed)
        unit.plan(self._clock())
        again = unit.settings is not None and unit.settings.restart != "never" and not unit.folder.was_stopped
        unit.requested = unit.requested or (again and unit.due is None)
        unit.lost = not again and not unit.requested
        self._wake.set()

    # --- helpers

    async def _apply(self, settings: Settings) -> None:
        """Begin services that are new, and stop those that are gone."""
        before = self._units.names
        schedules = {unit.name: unit.settings.schedule for unit in self._units if unit.settings}
        removed = {unit.name for unit in self._units if unit.settings is None}
        self._units.take(settings.service)
        for name in self._units.names - before:
            await self._meet(self._units.get(name), again=False)
        for name in before - (there := {service.name for service in settings.service}):
            unit = self._units.get(name)
            if unit.settings is None:
                continue
            unit.settings, unit.requested, unit.due, unit.leaving = None, False, None, True
            unit.folder.keep_stopped(False)  # should it come back, it is new
            if unit.link is None and not unit.launching:
                self._forget(unit)
            else:
                await self._wish(unit, Wish("stop", REMOVED))
        for name in before & there:
            unit = self._units.get(name)
            if name in removed:  # it came back before it was gone
                self._begin(unit)
                if unit.requested:
                    await self._request(unit, Wish("start", "in the settings again"))
            elif unit.settings and unit.settings.schedule != schedules.get(name):
                unit.plan(self._clock())
        if before != self._units.names:
            self._list_changed()
        self._tell()

    def _shown(self, unit: Unit) -> Service:
        return unit.shown(
            mask=self.mask,
            run_of=self._run_of,
            waits=self._units.waits(unit),
            needed_by=self._units.needing(unit),
        )

    def _forget(self, unit: Unit) -> None:
        """A service is no longer in the settings, and gone."""
        self._units.remove(unit)
        if (told := self._told.pop(unit.name, None)) is not None and told[1].state != "stopped":
            self._happened(told[1], told[1].model_copy(update={"state": "stopped", "reason": REMOVED}))
        self._list_changed()

    async def _request(self, unit: Unit, wish: Wish) -> None:
        """Have a service started, and what it depends on; one that is up hears the wish, with its settings as they are now."""
        for one, its in self._units.request(unit, wish):
            if one.settings is not None:
                await asyncio.to_thread(one.folder.write_spec, one.settings, self.mask, self._settings.path)
            if one.wish is its:  # nobody has wished for anything else meanwhile
                await self._wish(one, its)
        self._wake.set()

    async def _wish(self, unit: Unit, wish: Wish) -> None:
        """Tell its shim what somebody wants. One that begins just now hears it once it is there."""
        unit.wish = wish
        if unit.link is None:
            return
        if wish.do in {"stop", "restart"} and (run := unit.run_now(self._run_of)) is not None:
            self._asked(run, wish.by, unit.grace_s + SLACK_S, unit.shim_now(self._run_of))
        await unit.link.send(wish)
        if "heard" not in (unit.state or {"heard": ""}) and unit.wish is wish:
            unit.wish, unit.requested = None, False  # a shim of an earlier version does not say what it heard

    def _tell(self) -> None:
        """Tell what changed, and wake those who wait for it. How one stood that nobody has looked at yet is not known."""
        for unit in self._units if self.adopted.is_set() else ():
            stands, before = unit.life, self._told.get(unit.name)
            if before is None or before[0] != stands:
                self._told[unit.name] = stands, (shown := self._shown(unit))
                if before is not None:
                    self._happened(before[1], shown)
        self._news.set()
        self._news = asyncio.Event()

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until a condition holds, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._news.wait()

    async def _ready(self) -> None:
        """Wait until it is known which services run already.

        Raises:
            MonitorError: this platform cannot run services.
        """
        if not AVAILABLE:
            raise MonitorError("services can only be run on Linux", hint="use the service manager of this system")
        await self.adopted.wait()
