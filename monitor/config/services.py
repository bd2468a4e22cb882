"""Services: the `[[service]]` tables of the settings file.

    [[service]]
    name = "api"
    command = "uvicorn shop.app:app --port 8000"     # or a list of words; no shell reads it
    directory = "~/shop"
    environment = { LOG_LEVEL = "info" }
    restart = "always"
    ready = { http = "http://127.0.0.1:8000/health" }
    depends_on = ["database"]

README and `docs/services.md` describe the keys; this module checks them.
"""

import os
import re
import shlex
import signal
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PORT: Final = re.compile(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):)?(?P<port>\d{1,5})")
STOP_SIGNALS: Final = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")


class Check(BaseModel):
    """What a service is asked: exactly one of these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: str | None = Field(None, description="It accepts connections on this port, such as 8000 or 127.0.0.1:8000.")
    http: str | None = Field(None, description="A GET of this address is answered with a status below 400.")
    command: str | None = Field(None, description="This shell command exits with code 0.")

    @field_validator("port", mode="before")
    @classmethod
    def _port(cls, port: Any) -> Any:
        text = str(port) if isinstance(port, int) and not isinstance(port, bool) else port
        if isinstance(text, str):
            found = _PORT.fullmatch(text)
            if found is None or not 0 < int(found["port"]) < 65536:
                msg = f"{port!r} is not a port such as 8000 or 127.0.0.1:8000"
                raise ValueError(msg)
        return text

    @field_validator("http")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://x")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"{url!r} is not an address such as http://127.0.0.1:8000/health"
            raise ValueError(msg)
        return url

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._given()) != 1:
            msg = f"give exactly one of {', '.join(self.kinds()[:-1])} and {self.kinds()[-1]}"
            raise ValueError(msg)
        return self

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The kinds of checks there are."""
        return tuple(name for name in ("port", "http", "command", "log") if name in cls.model_fields)

    def _given(self) -> list[tuple[str, str]]:
        return [(kind, value) for kind in self.kinds() if (value := getattr(self, kind))]

    @property
    def check(self) -> tuple[str, str]:
        """The kind of check and what it checks."""
        return self._given()[0]


class Ready(Check):
    """How a service shows that it is ready."""

    log: str | None = Field(None, description="A line of its output matches this regular expression.")
    timeout_s: float = Field(60.0, description="Time to become ready.", gt=0, le=86_400)

    @field_validator("log")
    @classmethod
    def _pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            msg = f"{pattern!r} is not a regular expression: {error}"
            raise ValueError(msg) from error
        return pattern


class Liveness(Check):
    """How a running service shows that it still works. One that does not, several times in a row, counts as failed and is restarted by its rule."""

    every_s: float = Field(10.0, description="Time between two checks, the first one after it became ready.", ge=0.1, le=86_400)  # fmt: skip
    timeout_s: float = Field(5.0, description="Time to answer one check.", gt=0, le=600)
    failures: int = Field(3, description="So many checks in a row must fail.", ge=1, le=1000)


class ServiceSettings(BaseModel):
    """One command that is kept running, or run on a schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Its name, also that of its log source.")
    command: str | list[str] = Field(description="Program and arguments; no shell reads them.")
    directory: str = Field("~", description="Working directory.")
    environment: dict[str, str] = Field(default={}, description="Additional environment variables.", repr=False)
    restart: Literal["never", "on-failure", "always"] = Field(
        "on-failure", description="When it is started again after its main process has ended."
    )
    autostart: bool = Field(True, description="Start it with the agent, unless somebody has stopped it.")
    backoff_s: float = Field(0.5, description="Pause before the second restart in a row; it doubles each time.", ge=0, le=3600)  # fmt: skip
    backoff_max_s: float = Field(60.0, description="Longest pause before a restart.", ge=0, le=86_400)
    stable_s: float = Field(10.0, description="After running so long, pauses begin anew.", ge=0, le=86_400)
    crash_limit: int = Field(5, description="Ends within `crash_window_s` after which it is not started again.", ge=1, le=1000)  # fmt: skip
    crash_window_s: float = Field(30.0, description="Time in which ends are counted.", gt=0, le=86_400)
    stop_signal: str = Field("TERM", description="Signal that asks it to end.")
    stop_grace_s: float = Field(10.0, description="Time between that signal and SIGKILL.", ge=0, le=3600)
    depends_on: list[str] = Field(default=[], description="Services that must be ready before it starts.")
    ready: Ready | None = Field(None, description="How it shows that it is ready; without, once it has started.")
    liveness: Liveness | None = Field(None, description="How it shows that it still works, checked while it runs.")
    schedule: str = Field("", description="When it is run, in cron syntax, such as `0 3 * * *`; local time.")
    output_mb: float = Field(10.0, description="Size at which the file of its output is rotated.", gt=0, le=10_000)
    output_kept: int = Field(5, description="Rotated files that are kept.", ge=0, le=100)

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a name has letters, digits, dots, dashes and underscores, at most 63")
        return name

    @field_validator("command")
    @classmethod
    def _command(cls, command: str | list[str]) -> str | list[str]:
        words = _words(command)
        if not words or not words[0]:
            raise ValueError("the command is empty")
        if any("\0" in word for word in words):
            raise ValueError("a command cannot contain NUL")
        return command

    @field_validator("directory")
    @classmethod
    def _directory(cls, directory: str) -> str:
        if not directory.startswith(("/", "~")) or "\0" in directory:
            msg = f"{directory!r} is not an absolute path"
            raise ValueError(msg)
        return directory

    @field_validator("environment")
    @classmethod
    def _environment(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if not _VARIABLE.fullmatch(name):
                msg = f"{name!r} is not a name of an environment variable"
                raise ValueError(msg)
            if "\0" in value:
                msg = f"the value of {name} contains NUL"
                raise ValueError(msg)
        return variables

    @field_validator("stop_signal")
    @classmethod
    def _signal(cls, name: str) -> str:
        plain = name.upper().removeprefix("SIG")
        if plain not in STOP_SIGNALS:
            msg = f"{name!r} is not one of {', '.join(STOP_SIGNALS)}"
            raise ValueError(msg)
        return plain

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, schedule: str) -> str:
        if schedule:
            next_run(schedule, datetime.now().astimezone())
        return schedule

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.schedule and self.restart == "always":
            raise ValueError("restart = 'always' and a schedule exclude each other")
        if self.backoff_max_s < self.backoff_s:
            raise ValueError("backoff_max_s is smaller than backoff_s")
        if self.name in self.depends_on:
            raise ValueError("it cannot depend on itself")
        return self

    @property
    def words(self) -> list[str]:
        """The command as program and arguments; `~` leads home."""
        return [os.path.expanduser(word) for word in _words(self.command)]  # noqa: PTH111 - these are words, few of them paths

    @property
    def line(self) -> str:
        """The command as a person writes it, with quotes where words need them."""
        return self.command if isinstance(self.command, str) else typed(self.command)

    @property
    def signal_number(self) -> int:
        """The number of the stop signal."""
        return int(signal.Signals[f"SIG{self.stop_signal}"])


def typed(words: Sequence[str]) -> str:
    """A command as a person types it, with quotes where words need them; `shlex.split` takes it apart again.

    The library's way for `print('x')` is `'print('"'"'x'"'"')'`.
    """
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if "'" not in word or any(mark in word for mark in "$`!"):  # which a shell reads between double quotes, too
        return shlex.quote(word)
    inside = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


_NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""What cron calls these."""


def next_run(schedule: str, after: datetime) -> datetime:
    """The first moment of a schedule after another, in local time. What falls into the hour that summer time skips happens after it, and
    what falls into the hour that it repeats happens once.

    Raises:
        ValueError: it is not cron syntax, or has no such moment.
    """
    from cronsim import CronSim, CronSimError

    if schedule == "@reboot":
        raise ValueError("without a schedule, a service is started with Watchkeeper: leave @reboot out")
    try:
        moments = CronSim(_NICKNAMES.get(schedule, schedule), after.astimezone().replace(tzinfo=None))
    except CronSimError as error:
        msg = f"{schedule!r} is not cron syntax such as '0 3 * * *' (minute, hour, day, month, day of week): {error}"
        raise ValueError(msg) from error
    found = next((moment for naive in moments if (moment := naive.astimezone()) > after), None)
    if found is None:
        msg = f"{schedule!r} never happens"
        raise ValueError(msg)
    return found


def check_together(services: Sequence[ServiceSettings]) -> None:
    """Check what services say of each other.

    Raises:
        ValueError: two have the same name, or one depends on what does not exist, or on itself by a circle.
    """
    known: dict[str, ServiceSettings] = {}
    for service in services:
        if service.name in known:
            msg = f"two services are named {service.name}"
            raise ValueError(msg)
        known[service.name] = service
    for service in services:
        for other in service.depends_on:
            if other not in known:
                msg = f"service {service.name} depends on {other}, which does not exist"
                raise ValueError(msg)
            if known[other].schedule:
                msg = f"service {service.name} depends on {other}, which only runs on a schedule"
                raise ValueError(msg)
    circle = _circle({service.name: service.depends_on for service in services})
    if circle:
        msg = f"services depend on each other in a circle: {' → '.join(circle)}"
        raise ValueError(msg)


def _circle(needs: dict[str, list[str]]) -> list[str]:
    """A circle of dependencies, its first name again at the end; empty if there is none."""
    checked: set[str] = set()

    def look(name: str, path: Iterable[str]) -> list[str]:
        way = [*path, name]
        if name in way[:-1]:
            return way[way.index(name) :]
        if name in checked:
            return []
        found = next((circle for other in needs[name] if (circle := look(other, way))), [])
        checked.add(name)
        return found

    return next((circle for name in needs if (circle := look(name, ()))), [])


def _words(command: str | list[str]) -> list[str]:
    """Program and arguments.

    Raises:
        ValueError: a quotation mark is not closed.
    """
    if not isinstance(command, str):
        return list(command)
    try:
        return shlex.split(command)
    except ValueError as error:
        msg = f"the command cannot be split into words: {str(error).lower()}"
        raise ValueError(msg) from error
