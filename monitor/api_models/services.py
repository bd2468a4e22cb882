"""Services: commands that are kept running, or run on a schedule."""

from typing import Any, Final, Literal

from pydantic import Field

from monitor.api_models.actions import Asked
from monitor.api_models.base import Shape

State = Literal["waiting", "scheduled", "starting", "running", "backoff", "stopping", "stopped", "exited", "failed"]

OVER: Final[frozenset[State]] = frozenset({"exited", "failed", "stopped"})
"""States of a service that does not run, and is not to be started again by itself."""


class Service(Shape):
    """One service, and where it stands."""

    name: str
    state: State
    reason: str = Field(default="", description="Why it is in this state; empty if that goes without saying.")
    since: int | None = Field(default=None, description="When it came into this state, µs.")
    pid: int | None = None
    run: str | None = Field(default=None, description="The run of its main process, as in `/v1/runs`.")
    last_run: str | None = Field(default=None, description="The same, or that of the process that ended last.")
    ended_run: str | None = Field(default=None, description="That of its main process that ended last.")
    started: int | None = Field(default=None, description="When its main process was last started, µs.")
    restarts: int = Field(default=0, description="How often it was started again since its first start.")
    unanswered: int = Field(default=0, description="Liveness checks in a row that failed.")
    exit_code: int | None = None
    exit_signal: int | None = None
    ended_with: str | None = Field(default=None, description="How its main process ended last, in words.")
    last_error: str | None = Field(
        default=None,
        description="If it failed: the error that it ended with, or else the last line that it wrote, in one line.",
    )
    next_start: int | None = Field(default=None, description="In `backoff`, when it is started again, µs.")
    next_run: int | None = Field(default=None, description="With a schedule, when it runs next, µs.")
    schedule: str = ""
    restart: str = ""
    autostart: bool = True
    command: str = Field(default="", description="Program and arguments, secrets masked.")
    directory: str = ""
    depends_on: list[str] = Field(default=[])
    needed_by: list[str] = Field(default=[], description="Services that depend on it.")
    configured: bool = Field(default=True, description="False if it was removed from the settings while it ran.")
    changed: bool = Field(default=False, description="Whether its settings changed since it was started.")
    source: str = Field(default="", description="The log source of its output.")
    output: str = Field(default="", description="The file of its output.")
    output_lost: int = Field(default=0, description="Bytes of its output that could not be written.")


class Services(Shape):
    """All services."""

    services: list[Service]
    available: bool = Field(default=True, description="Whether this platform can run services.")
    read_only: bool = Field(default=False, description="Whether `actions.read_only` forbids all actions.")
    trouble: str = Field(default="", description="Why a change of the settings file is not in force; empty if it is.")


class ServiceEvent(Shape):
    """Something that happened to a service: it came into a state, or (`ended`) its main process ended."""

    seq: int
    ts: int
    event: str
    reason: str = ""
    pid: int | None = None
    code: int | None = Field(
        default=None, description="With `ended`: the exit code, or the negative number of the signal."
    )
    restarts: int | None = None


class ServiceDetail(Shape):
    """One service with its settings and its newest events."""

    service: Service
    settings: dict[str, Any] = Field(description="Its settings; values of environment variables are left out.")
    events: list[ServiceEvent]


class ServiceChange(Asked):
    """Settings of a service to change."""

    settings: dict[str, Any] = Field(
        max_length=50,
        description="The keys to change; null for the default. Variables whose value is null keep it, those that are missing go.",
    )
    new: bool = Field(default=False, description="It is to be added: refused where there is a service of this name.")
