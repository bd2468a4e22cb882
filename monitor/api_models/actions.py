"""What people do to services and processes, as the audit table keeps it."""

from typing import Any, Final, Literal

from pydantic import Field

from monitor.api_models.base import Shape

REFUSED: Final = "refused: "
"""How the outcome of an action begins that was not done because it was not allowed, or could not be."""


class Asked(Shape):
    """Who asks for an action."""

    by: str = Field(default="", max_length=200, description="Who asks, for the audit table.")


class Action(Shape):
    """One action: who did what to whom, and what came of it."""

    ts: int
    actor: str = Field(
        description="Who, as far as it is known: the name of the sign-in, or of the account at the command line."
    )
    action: str = Field(description="Such as `service stop` or `process kill`.")
    target: str = Field(description="The service, or the name of the process.")
    pid: int | None = None
    run: str | None = None
    outcome: str = Field(
        description="`done`, or why not: `refused: …` if it was not allowed, or there was nothing to act on. Equal refusals within a minute are counted in it."
    )
    details: dict[str, Any] = Field(default={})


class ProcessAction(Asked):
    """What to do to a process."""

    action: Literal["stop", "kill", "signal", "renice"] = Field(
        description="`stop` sends SIGTERM, `kill` SIGKILL, `signal` the one named in `signal`, `renice` sets `nice`."
    )
    signal: str | None = Field(default=None, description="Such as `HUP`, for `signal`.", max_length=20)
    nice: int | None = Field(default=None, description="For `renice`: -20 (the most CPU time) to 19.", ge=-20, le=19)


class RefusedAction(Asked):
    """An action that was refused before the agent was asked for it: the dashboard knows who is no operator."""

    action: str = Field(max_length=100, description="Such as `process stop`.")
    target: str = Field(default="", max_length=200, description="The service, or the name of the process.")
    run: str | None = Field(default=None, max_length=30, description="The process.")
    why: str = Field(max_length=300, description="Why it was refused.")


class ProcessActed(Shape):
    """What was done."""

    run: str
    pid: int
    said: str = Field(description="In words, such as `SIGTERM sent`.")


class Recorded(Shape):
    """It is in the audit table, or counted there."""


class Actions(Shape):
    """The newest actions that match, and how many match in all."""

    total: int
    actions: list[Action]
