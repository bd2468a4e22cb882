"""The models of a server: what it has, what is fetched, and what a model answers when a person tries it."""

from typing import Literal

from pydantic import Field

from ai.core.types import Origin, Role, Shape

PullState = Literal["running", "done", "failed", "cancelled"]
TryState = Literal["loading", "answering", "done", "failed", "cancelled"]


class ShelfModel(Shape):
    """A model that a server has. Sizes in bytes, contexts in tokens, times in µs.

    Attributes:
        size: on disk. `memory` is what it takes in memory with its cache, `vram` the part of it on a GPU; None while it is not loaded.
        trained_context: what it was trained for. `context` is what it is in memory with.
        parameters: as the server writes it, such as `8.0B`.
        expires: when the server lets it go; None while it is not loaded, and if it stays `for_ever`.
        chats: it answers questions; an embedding model does not.
        refused: why this program does not send it anything; empty where it may.
        chosen: the one this program asks.
        command: runs it in a terminal.
    """

    name: str
    size: int | None = None
    quantization: str | None = None
    parameters: str | None = None
    family: str | None = None
    trained_context: int | None = None
    capabilities: list[str] = Field(default=[])
    chats: bool = True
    remote_host: str = ""
    refused: str = ""
    loaded: bool = False
    context: int | None = None
    memory: int | None = None
    vram: int | None = None
    expires: int | None = None
    for_ever: bool = False
    chosen: bool = False
    command: str = ""


class ServerTold(Shape):
    """The settings that a server was started with; None where it uses its default. `read` is false where they cannot be read from here."""

    read: bool
    parallel: int | None = None
    kv_type: str | None = None
    context: int | None = None
    keep_alive: str | None = None
    most_loaded: int | None = None

    def sentence(self) -> str:
        """For people."""
        if not self.read:
            return "The settings of its process cannot be read from here."
        slots = self.parallel or 1
        parts = [
            f"{slots} request{'s' if slots > 1 else ''} at a time",
            f"context of {self.context:,} tokens" if self.context else "context chosen by Ollama",
            "keeps a model for ever"
            if (self.keep_alive or "").startswith("-")
            else f"keeps a model {self.keep_alive or '5m'}",
            f"cache of {self.kv_type or 'f16'}",
        ]
        most = (
            [f"{self.most_loaded} model{'s' if self.most_loaded > 1 else ''} in memory at most"]
            if self.most_loaded
            else []
        )
        return f"As it was started: {', '.join([*parts, *most])}."


class Shelf(Shape):
    """A server and its models. `server` is the name to give; `problem` says why its models cannot be listed now."""

    server: str
    label: str
    address: str
    version: str = ""
    local: bool = True
    settings: ServerTold
    models: list[ShelfModel] = Field(default=[])
    problem: str = ""
    remedy: str = ""


class Pull(Shape):
    """A model on its way to a server. `done` and `total` in bytes, of what the server has told of so far; times in µs."""

    id: str
    server: str
    model: str
    state: PullState
    status: str
    started: int
    ended: int | None = None
    done: int = 0
    total: int | None = None
    bytes_per_s: float | None = None
    left_s: float | None = None
    error: str = ""
    hint: str = ""


class Pulls(Shape):
    """Models on their way, and those that arrived or did not, newest first."""

    pulls: list[Pull]


class Shelves(Pulls):
    """Every server whose models can be managed."""

    shelves: list[Shelf]


class Turn(Shape):
    """What was said in a conversation."""

    role: Role
    content: str = Field(max_length=200_000)


class TryFigures(Shape):
    """How a model answered. Seconds, tokens, tokens a second; None is not available; `origin` says who counted the rate."""

    first_token_s: float | None
    total_s: float | None
    load_s: float | None
    prompt_tokens: int | None
    answer_tokens: int | None
    tokens_per_s: float | None
    origin: Origin | None
    prompt_tokens_per_s: float | None
    finish: str

    def sentence(self) -> str:
        """For people, without a full stop."""
        parts = [
            f"first token after {self.first_token_s * 1e3:,.0f} ms" if self.first_token_s is not None else "",
            f"{self.tokens_per_s:,.1f} tokens/s ({self.origin})" if self.tokens_per_s is not None else "",
            f"{self.answer_tokens:,} tokens in {self.total_s:.1f} s" if self.answer_tokens is not None and self.total_s is not None else "",
            f"prompt of {self.prompt_tokens:,} tokens" if self.prompt_tokens is not None else "",
            f"read at {self.prompt_tokens_per_s:,.0f} tokens/s" if self.prompt_tokens_per_s is not None else "",
            f"loaded in {self.load_s:.1f} s" if self.load_s else "",
            "cut at its longest" if self.finish == "length" else "",
        ]  # fmt: skip
        return ", ".join(part for part in parts if part)


class Trial(Shape):
    """A model that a person tries: what it has said so far. `instead` is what came in place of an answer, or of its rest; `figures` once it is done; `error` and `hint` if it failed."""

    id: str
    backend: str
    model: str
    state: TryState
    started: int
    text: str = ""
    reasoning: str = ""
    instead: str = ""
    figures: TryFigures | None = None
    notes: list[str] = Field(default=[])
    error: str = ""
    hint: str = ""
