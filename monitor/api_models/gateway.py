"""Models of `/v1/ai/gateway`: its state, its keys, the calls that passed it. Durations are seconds, sizes bytes, times µs since the epoch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ai.core.types import Shape
from ai.gateway.link.budgets import WHAT, Budget, Span, Used

__all__ = [
    "WHAT",
    "Budget",
    "DeletedTexts",
    "GatewayCall",
    "GatewayCalls",
    "GatewayCurrent",
    "GatewayEngine",
    "GatewayKey",
    "GatewayStatus",
    "GatewayText",
    "GatewayTextHead",
    "GatewayTexts",
    "GatewayTextsKept",
    "GatewayUsage",
    "KeyBudget",
    "MadeKey",
    "NewKey",
    "RemovedKey",
    "Span",
    "Used",
]


class GatewayKey(Shape):
    """A key that opens the gateway; the key itself is not kept. `last_used` and `calls` are over the stored calls.

    `used` is of today and this month; None: nothing. `spent` says which budget is used up, and when it begins anew.
    """

    name: str
    created: int
    last_used: int | None = None
    calls: int = 0
    budget: Budget = Budget()
    used: Used | None = None
    spent: str = ""


class GatewayEngine(Shape):
    """An engine that calls may go to; `resting` says why it is left alone at the moment."""

    name: str
    label: str
    model: str
    models: list[str]
    resting: str = ""


class GatewayCurrent(Shape):
    """A call that is under way: it waits for its turn, for its engine to begin, or is being answered."""

    call: str
    since: int
    phase: str
    program: str
    run: str | None
    key: str
    wanted: str
    backend: str
    model: str


class GatewayTextsKept(Shape):
    """Prompts and answers: whether those of new calls are kept, for how long and how much (bytes), and what there is. `lost` could not be written."""

    keeps: bool = False
    days: int = 0
    limit: int = 0
    calls: int = 0
    size: int = 0
    oldest: int | None = None
    lost: int = 0


class GatewayTextHead(Shape):
    """A call whose prompt and answer are kept, and their bytes."""

    call: str
    ts: int
    size: int


class GatewayTexts(Shape):
    """The newest of them."""

    texts: list[GatewayTextHead]


class GatewayText(Shape):
    """Prompt and answer of a call, masked; `…_cut`: there was more."""

    call: str
    ts: int
    prompt: str
    answer: str
    prompt_cut: bool
    answer_cut: bool


class DeletedTexts(Shape):
    """Of how many calls prompt and answer are gone."""

    calls: int


class GatewayStatus(Shape):
    """The gateway: switched on or not, how it is, who may ask, which engines answer (the first choice first).

    `lost` are calls whose record was dropped; `refused` are calls that found the queue full.
    """

    enabled: bool
    state: Literal["off", "starting", "running", "down"]
    message: str
    port: int
    address: str | None
    pid: int | None
    rss: int | None
    restarts: int
    active: int
    waiting: int
    connections: int
    answered: int
    refused: int
    lost: int
    require_key: bool
    keys: list[GatewayKey]
    engines: list[GatewayEngine]
    excluded: dict[str, str]
    sentence: str
    calls: list[GatewayCurrent]
    texts: GatewayTextsKept = GatewayTextsKept()


class GatewayCall(Shape):
    """A call. `run` (a decimal string) and `program` tell who made it, where that was seen; `outcome` is `answered`, `refused`, `failed`, `cut`,
    `cancelled` or `late`; `tokens_origin` is `reported` by the engine or `estimated`.
    """

    ts: int
    call: str
    api: str
    route: str
    run: str | None
    pid: int | None
    uid: int | None
    program: str
    key_name: str
    wanted: str
    backend: str
    model: str
    stream: bool
    attempts: int
    outcome: str
    status: int
    message: str
    queued_s: float
    ttft_s: float | None
    total_s: float
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens_origin: str | None
    tokens_per_s: float | None
    bytes_in: int
    bytes_out: int


class GatewayUsage(Shape):
    """What one program used of one model since a time; `run` is its newest run."""

    program: str
    key_name: str
    model: str
    backend: str
    calls: int
    failed: int
    prompt_tokens: int | None
    completion_tokens: int | None
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    tokens_per_s: float | None
    run: str | None
    last_ts: int


class GatewayCalls(Shape):
    """The newest calls, and who used what since `since`."""

    since: int
    calls: list[GatewayCall]
    usage: list[GatewayUsage]


class NewKey(BaseModel):
    """The name of a key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)


class MadeKey(Shape):
    """A key, told once."""

    name: str
    key: str


class KeyBudget(Shape):
    """A key with the budget that it has now."""

    name: str
    budget: Budget


class RemovedKey(Shape):
    """A key that opens nothing any more."""

    name: str
