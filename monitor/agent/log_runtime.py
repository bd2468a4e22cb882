"""Keeps the log service of the agent: begins it once the host is known, and tells it of settings, formats and services."""

import asyncio
import glob
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import logs
from monitor.config.saved_searches import SavedSearches
from monitor.config.settings import Settings
from monitor.core.paths import DataFiles
from monitor.metrics.messages import Hello

log = logging.getLogger("watchkeeper.agent")
AGAIN_S: Final = 5.0


class LogRuntime:
    """Used on the event loop.

    Args:
        settings: the settings that are in force.
        data_dir: its own files are not followed.
        outputs: the files of services, by the name of their source.
        begin: makes the service for a host and starts it; called on a thread.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        data_dir: Path,
        outputs: Callable[[], Mapping[str, str]],
        begin: Callable[[Hello, logs.LogSettings], logs.LogService],
    ) -> None:
        self._settings, self._data_dir, self._outputs, self._begin = settings, data_dir, outputs, begin
        self.formats = logs.OwnFormats(DataFiles(data_dir).formats)
        self.searches = SavedSearches(DataFiles(data_dir).searches)
        self.service: logs.LogService | None = None
        self.trouble = ""
        """Why logs are not followed yet, when the store could not say how far they were read."""
        self._starting: asyncio.Task[None] | None = None
        self._changing: set[asyncio.Task[None]] = set()

    def host_known(self, hello: Hello) -> None:
        """A sampler has started: with the first one, begin."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(hello))

    async def apply(self) -> None:
        """Follow and read files as settings, formats and services say now."""
        if self.service is not None:
            await asyncio.to_thread(self.service.configure, await asyncio.to_thread(self._wanted))

    def services_changed(self) -> None:
        """Follow the output of the services that there are now."""
        task = asyncio.create_task(self.apply())
        self._changing.add(task)
        task.add_done_callback(self._changed)

    async def stop_starting(self) -> None:
        """Wait for a start that is under way, for a moment; from then on none begins."""
        if self._starting is not None:
            await asyncio.wait({self._starting}, timeout=2)
            self._starting.cancel()

    async def _start(self, hello: Hello) -> None:
        while self.service is None:
            try:
                self.service = await asyncio.to_thread(lambda: self._begin(hello, self._wanted()))
            except (logs.LogsError, OSError) as error:
                self.trouble = f"log files cannot be followed yet: {error}"
                log.exception("log files cannot be followed; trying again in %g s", AGAIN_S)
                await asyncio.sleep(AGAIN_S)
        self.trouble = ""

    def _wanted(self) -> logs.LogSettings:
        """Reads the files of formats, so it is called on a thread."""
        s = self._settings().logs
        return logs.LogSettings(
            discover=s.discover,
            journal=s.journal,
            globs=tuple(s.globs),
            exclude=(*s.exclude, *(f"{glob.escape(str(own))}/*" for own in (self._data_dir, self._data_dir.resolve()))),
            formats=tuple(s.formats),
            own_formats=tuple(self.formats.read()[0]),
            named=tuple(self._outputs().items()),
        )

    def _changed(self, task: "asyncio.Task[None]") -> None:
        self._changing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the output of services is not followed", exc_info=error)
