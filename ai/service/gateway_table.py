"""The engines as the gateway's calls may go to them: in the policy's order, each with all of its models."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ai.backends.openai.backend import server_name
from ai.core.footprint import is_local
from ai.core.types import can_chat
from ai.discovery.address import bare_address
from ai.gateway.link.messages import Engine, Model, Table
from ai.service.context.candidates import Candidate, asked_natively
from ai.service.context.config import AiConfig
from ai.shapes.engines import Choice

_EMBEDS: Final = re.compile(r"embed|(^|[-_/])bge-(?!rerank)", re.IGNORECASE)
_SERVERS: Final = frozenset({"ollama", "openai"})
_ELSEWHERE: Final = "it runs on another machine, where ai.allow_remote does not let anything be sent"


def gateway_table(
    found: Sequence[Mapping[str, Any]], known: Mapping[tuple[str, str], Candidate], choice: Choice, config: AiConfig
) -> Table:
    """What the gateway is told.

    Args:
        found: what discovery found.
        known: the engines that the policy knows, by kind and address; those that are only away at the moment are among them.
        choice: their order, and why some are not used.
        config: the settings.
    """
    excluded = dict(choice.excluded)
    engines: list[Engine] = []
    for row in found:
        address = str(row.get("address") or "")
        candidate = known.get((str(row["name"]), address if row["kind"] == "server" else ""))
        engine = _server(row, candidate, config) if row["name"] in _SERVERS else _worker(row, candidate)
        if engine is None or engine.name in excluded:
            continue
        if engine.address and not is_local(engine.address) and not config.allow_remote:
            excluded[engine.name] = _ELSEWHERE
        elif engine.models and all(engine.name != other.name for other in engines):
            engines.append(engine)
    place = {name: at for at, name in enumerate(choice.order)}
    engines.sort(key=lambda engine: place.get(engine.name, len(place)))
    return Table(tuple(engines), excluded, choice.sentence)


def _server(row: Mapping[str, Any], candidate: Candidate | None, config: AiConfig) -> Engine | None:
    """A server that answers, or that is only away; None where there is nothing to be had from it."""
    name, address = str(row["name"]), str(row.get("address") or "")
    models = tuple(_model(m) for m in row.get("models") or [] if config.allow_remote or not m.get("remote_host"))
    if not models and candidate is not None and not candidate.remote_host:
        models = (Model(candidate.model),)
    if not address or (row.get("state") != "ready" and candidate is None):
        return None
    chosen = candidate.model if candidate is not None else ""
    if candidate is not None and candidate.remote_host and not config.allow_remote:
        chosen = next((model.name for model in models if model.chats), "")
    native = asked_natively(row, config)
    return Engine(
        name=candidate.name if candidate is not None else name if name == "ollama" else server_name(address),
        kind="ollama" if native else "openai",
        label=str(row["label"]),
        address=bare_address(address) if native else address,
        api="/v1" if native else str(row.get("api", "/v1")),
        key=config.api_keys.get(bare_address(address), ""),
        model=chosen,
        models=models,
        version=str(row.get("version") or ""),
    )


def _worker(row: Mapping[str, Any], candidate: Candidate | None) -> Engine | None:
    """An engine in a worker of this program, which is loaded when it is asked."""
    if candidate is None or candidate.path is None:
        return None
    return Engine(
        name=candidate.name, kind="worker", label=str(row["label"]), model=candidate.shown, models=(Model(candidate.shown),)
    )  # fmt: skip


def _model(told: Mapping[str, Any]) -> Model:
    """By what its server says it can do, else by its name."""
    able, name = told.get("capabilities") or [], str(told["name"])
    embeds = "embedding" in able if able else not can_chat(name, able) and _EMBEDS.search(name) is not None
    chats = can_chat(name, able)
    return Model(name, told.get("size"), told.get("context"), told.get("quantization"), chats=chats, embeds=embeds)
