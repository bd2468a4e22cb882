"""Services without an agent: real shims of real programs, each test in a folder of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.api_models.services import Service
from monitor.config.services import ServiceSettings
from monitor.config.settings import load_settings
from monitor.services.folder import FOLDER, ServiceFolder
from monitor.services.link import start_shims
from monitor.services.shim import policy, tree
from monitor.services.supervisor import Supervisor
from tests.waiting import wait_until, wait_until_async


class Kept:
    """A service that a shim keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = ServiceFolder(folder)

    def start(self, **settings: Any) -> "Kept":
        """Start its shim."""
        self.folder.write_spec(ServiceSettings(name=self.folder.name, **settings))
        assert asyncio.run(start_shims([self.folder.path], os.environ)) == {}
        return self

    @property
    def state(self) -> dict[str, Any]:
        """What its shim says."""
        found = self.folder.state()
        assert found is not None
        return found

    def becomes(self, state: str) -> dict[str, Any]:
        """Wait for a state."""
        return wait_until(
            lambda: self.state if self.state["state"] == state else None,
            lambda: f"{state}, not {self.state} {(self.folder.path / 'shim.log').read_text()}",
        )

    def running(self, *, after: int | None = None) -> dict[str, Any]:
        """Wait until a main process other than `after` runs."""
        return wait_until(
            lambda: self.state if self.state["state"] == "running" and self.state["pid"] != after else None,
            lambda: f"running, not {self.state}",
        )

    def output(self) -> str:
        """What is in the file of its output."""
        return self.folder.output.read_text("utf-8") if self.folder.output.exists() else ""

    def stop(self) -> None:
        """End it by its shim, if it is there, and wait until the shim is gone."""
        found = self.folder.state()
        if found is None or found["state"] in policy.OVER:
            return
        shim, tick = int(found["shim"]), tree.start_tick(int(found["shim"]))
        if tick is not None:
            os.kill(shim, signal.SIGTERM)
            wait_until(lambda: tree.start_tick(shim) != tick, "the shim ends", seconds=30)
        self.folder.end_leftovers()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Callable[[str], Kept]]:
    """Makes services by name, and ends them."""
    made: list[Kept] = []

    def make(name: str) -> Kept:
        made.append(Kept(tmp_path / FOLDER / name))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def python() -> Callable[..., list[str]]:
    """A command that runs a Python program, given as text, with arguments."""
    return lambda text, *arguments: [sys.executable, "-S", "-c", text, *map(str, arguments)]


def events(one: Kept) -> list[dict[str, Any]]:
    """What happened to a service."""
    return [json.loads(line) for line in (one.folder.path / "events.jsonl").read_text("utf-8").splitlines()]


SLEEP = f"{sys.executable} -S -c 'import time; time.sleep(1000)'"


class Watch:
    """A settings file and a data directory, with one supervisor after another."""

    def __init__(self, base: Path) -> None:
        self.file, self.data = base / "w.toml", base / "data"
        self.now = 1_800_000_000.0
        self.lists = 0
        self.happened: list[tuple[str, str]] = []
        self.runs: dict[str, list[int | None]] = {}
        """Of each service, when those runs began of whose end was told."""

    def write(self, *services: dict[str, Any]) -> None:
        """Write these services to the settings file."""
        self.file.unlink(missing_ok=True)
        settings = load_settings(self.file, None, {})
        self.file.write_text("", "utf-8")
        for service in services:
            settings = settings.save_service(service["name"], service)

    @asynccontextmanager
    async def supervisor(self, **options: Any) -> Any:
        """A supervisor at work. When it ends, it says nothing to its shims, as after a `kill -9`."""

        def changed() -> None:
            self.lists += 1

        def happened(_: Service, service: Service) -> None:
            self.happened.append((service.name, service.state))
            if service.exit_code is not None:
                self.runs.setdefault(service.name, []).append(service.started)

        one = Supervisor(
            self.data,
            load_settings(self.file, None, {}),
            environ=os.environ,
            run_of=lambda pid, _tick: pid * 10,
            mask=" ".join,
            changed=changed,
            happened=happened,
            clock=lambda: self.now,
            look_s=0.05,
            **options,
        )
        task = asyncio.create_task(one.keep_services())
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    def end(self) -> None:
        """End all shims."""
        for path in (self.data / FOLDER).iterdir() if (self.data / FOLDER).exists() else ():
            folder = ServiceFolder(path)
            state = folder.state()
            if state and state["state"] not in policy.OVER and (tick := tree.start_tick(state["shim"])):
                os.kill(state["shim"], signal.SIGTERM)
                wait_until(lambda shim=state["shim"], tick=tick: tree.start_tick(shim) != tick, seconds=30)
            folder.end_leftovers()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """A place for supervisors; all services end with the test."""
    one = Watch(tmp_path)
    yield one
    one.end()


async def becomes(one: Supervisor, name: str, state: str) -> Service:
    """Wait until a service is in a state."""
    await wait_until_async(lambda: one.service(name).state == state, lambda: f"{state}, not {one.service(name)}")
    return one.service(name)
