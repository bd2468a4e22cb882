"""What the gateway and whoever started it say to each other: one JSON object a line, with its kind in `t`.

In: `Start`, then `Table`, `Keys` and `Limits` whenever they change, `Lent` and `NotLent` as answers to `Wanted`.
Out: `Listening` or `CannotListen`, then `CallRow` for every call (and `Texts`, where they are kept), `State` while it changes, `Wanted` and `Done` for engines in workers.

Times are µs since the epoch, durations seconds, sizes bytes; None is *not available*.
"""

from typing import Final, Literal

import msgspec

from ai.gateway.link.budgets import Budget, Used

Kind = Literal["ollama", "openai", "worker"]
"""How an engine is spoken to: Ollama's API (and OpenAI's), OpenAI's, or OpenAI's on the Unix socket of a worker."""
Need = Literal["chat", "embed"]
"""What a model must be able to do for a call."""
MAX_LINE: Final = 4 * 1024 * 1024


class Model(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model that an engine serves. `chats` and `embeds`: what it can do, as far as that is known."""

    name: str
    size: int | None = None
    context: int | None = None
    quantization: str | None = None
    chats: bool = True
    embeds: bool = False


class Engine(msgspec.Struct, frozen=True, omit_defaults=True):
    """An engine that calls may go to. `model` is the one it answers with where a call names none; empty where it has none that chats.

    `api` stands between its address, without `/v1` at its end, and the routes of OpenAI's API.
    """

    name: str
    kind: Kind
    label: str
    address: str = ""
    api: str = "/v1"
    key: str = ""
    model: str = ""
    models: tuple[Model, ...] = ()
    version: str = ""


class Start(msgspec.Struct, frozen=True, tag_field="t", tag="start"):
    """The first line: where to listen (port 0 takes a free one), and what keys have used before."""

    port: int
    host: str = "127.0.0.1"
    used: dict[str, Used] = {}


class Table(msgspec.Struct, frozen=True, tag_field="t", tag="table"):
    """The engines, the one that the policy chooses first; `excluded` says why others are not used; `sentence` explains the choice."""

    engines: tuple[Engine, ...] = ()
    excluded: dict[str, str] = {}
    sentence: str = ""


class Keys(msgspec.Struct, frozen=True, tag_field="t", tag="keys"):
    """Who may ask: the hash of each key, with its name. Without `required`, calls without a key are answered too. `budgets` are by name."""

    names: dict[str, str] = {}
    required: bool = True
    budgets: dict[str, Budget] = {}


class Limits(msgspec.Struct, frozen=True, tag_field="t", tag="limits"):
    """What a call, and all of them, may take.

    Attributes:
        concurrency: calls that are answered at the same time.
        queue: calls that may wait for their turn; further ones are refused.
        body_bytes: size of a request.
        deadline_s: from the request's arrival to the end of its answer.
        first_byte_s: how long an engine may be silent before it is given up, where the answer is a stream and others can be asked.
        hedge_s: how long it may be silent before the next one is asked beside it.
        connect_s: how long a connection to an engine may take.
        text_chars: characters of a call's prompt, and of its answer, that are handed over to be kept; 0 where nothing of them is.
    """

    concurrency: int = 64
    queue: int = 256
    body_bytes: int = 64 * 1024 * 1024
    deadline_s: float = 600.0
    first_byte_s: float = 30.0
    hedge_s: float = 4.0
    connect_s: float = 2.0
    text_chars: int = 0


class Lent(msgspec.Struct, frozen=True, tag_field="t", tag="lent"):
    """The worker that a call needs is loaded: where it listens, and its key."""

    call: str
    socket: str
    key: str


class NotLent(msgspec.Struct, frozen=True, tag_field="t", tag="not lent"):
    """The worker that a call needs cannot be had, and why."""

    call: str
    message: str


class Listening(msgspec.Struct, frozen=True, tag_field="t", tag="listening"):
    """Calls are answered on this port."""

    port: int


class CannotListen(msgspec.Struct, frozen=True, tag_field="t", tag="cannot listen"):
    """The port cannot be used, and why."""

    message: str


class Program(msgspec.Struct, frozen=True):
    """The process that made a call. `start_tick` tells it from others with its pid; `uid` is known even where the process is not.

    `cmdline` has the first words of its command line, for the title of one that ended before anybody else saw it; it is not kept.
    """

    pid: int | None = None
    start_tick: int | None = None
    name: str = ""
    cmdline: str = ""
    uid: int | None = None


class CallRow(msgspec.Struct, frozen=True, tag_field="t", tag="call", kw_only=True):
    """One call, answered or not.

    Attributes:
        route: the path that was asked.
        key: the name of the key; empty without one.
        wanted: the model that was asked for, as the program wrote it.
        attempts: engines that were tried.
        outcome: `answered`, `refused` (here: key, limit, unknown model), `failed` (by every engine), `cut` (by its engine, midway),
            `cancelled` (by its program), `late` (the deadline passed).
        status: of the answer; 0 where none was sent.
        queued_s: how long it waited for its turn.
        ttft_s: from its arrival to the first token of a stream; to the first byte of an answer that is none.
        tokens_origin: who counted the answer's tokens: `reported` by the engine, or `estimated` from the stream's events.
    """

    call: str
    ts: int
    api: str
    route: str
    program: Program
    key: str
    wanted: str
    backend: str
    model: str
    stream: bool
    attempts: int
    outcome: str
    status: int
    message: str
    queued_s: float
    total_s: float
    ttft_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_origin: str | None = None
    tokens_per_s: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0


class Texts(msgspec.Struct, frozen=True, tag_field="t", tag="texts", kw_only=True):
    """What was asked and answered in a call, not masked yet. `…_cut`: there was more."""

    call: str
    ts: int
    prompt: str
    answer: str
    prompt_cut: bool = False
    answer_cut: bool = False


class Current(msgspec.Struct, frozen=True):
    """A call that is under way: `phase` is `waiting` (for its turn), `asking` (nothing came yet) or `answering`."""

    call: str
    since: int
    phase: str
    key: str
    program: Program
    wanted: str
    backend: str
    model: str


class State(msgspec.Struct, frozen=True, tag_field="t", tag="state", kw_only=True):
    """How it is now. `lost` are call rows that nobody took, `texts_lost` prompts and answers; `refused` are calls that found the queue full; `used` is by key."""

    active: int
    waiting: int
    connections: int
    answered: int
    lost: int
    refused: int
    rss: int
    calls: tuple[Current, ...] = ()
    resting: dict[str, str] = {}
    used: dict[str, Used] = {}
    texts_lost: int = 0


class Wanted(msgspec.Struct, frozen=True, tag_field="t", tag="wanted"):
    """A call needs the engine of this name, which is a worker."""

    call: str
    engine: str


class Done(msgspec.Struct, frozen=True, tag_field="t", tag="done"):
    """The call needs its worker no longer."""

    call: str


In = Start | Table | Keys | Limits | Lent | NotLent
Out = Listening | CannotListen | CallRow | Texts | State | Wanted | Done
_encoder: Final = msgspec.json.Encoder()
_in: Final[msgspec.json.Decoder[In]] = msgspec.json.Decoder(In)
_out: Final[msgspec.json.Decoder[Out]] = msgspec.json.Decoder(Out)


def line(message: In | Out) -> bytes:
    """A message as it is written."""
    return _encoder.encode(message) + b"\n"


def read_in(text: bytes) -> In:
    """A line that the gateway reads.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _in.decode(text)


def read_out(text: bytes) -> Out:
    """A line that the gateway wrote.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _out.decode(text)
