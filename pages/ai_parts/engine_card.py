"""A model engine as a card, and all engines as a sentence."""

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from monitor.api_models.ai import AiBackend
from monitor.api_models.machine import Engine, EngineEnd, EngineModel, EngineProcess
from monitor.core.errors import AgentError
from pages.ai_parts.benchmark_offer import in_use
from pages.shared.agent import agent_client, coded, error_state, plain
from pages.shared.visitor import may_change
from pages.ui.numbers import NONE, clock, size

Colour = Literal["green", "blue", "orange", "red", "gray"]
STATES: Final[dict[str, tuple[Colour, str, str]]] = {
    "ready": ("green", ":material/check_circle:", "ready"),
    "idle": ("blue", ":material/pause_circle:", "idle"),
    "loading": ("blue", ":material/hourglass_top:", "loading its model"),
    "down": ("orange", ":material/power_off:", "not running"),
    "error": ("red", ":material/error:", "error"),
    "missing": ("gray", ":material/do_not_disturb_on:", "not installed"),
}
"""Colour, icon and word of each state. The word alone is enough."""
MOST_MODELS: Final = 8
MOST_SETTINGS: Final = 12
NARROW: Final = "\u00a0"
GAP: Final = "&ensp;"
ABSENT: Final = frozenset({"down", "missing"})
"""States of engines that are listed without a card."""


def summary(engines: Sequence[Engine]) -> str:
    """The usable engines in one sentence of Markdown."""
    usable = [engine for engine in engines if engine.state in {"ready", "idle"}]
    if not engines:
        return "**No engines found.**"
    if not usable:
        return "**No engine is usable yet.** Each entry says what is missing."
    names = ", ".join(plain(engine.label) for engine in usable)
    models = sum(len(engine.models) for engine in usable)
    be = "is" if len(usable) == 1 else "are"
    return f"**{len(usable)} of {len(engines)} engines {be} usable**: {names}, with {models} model{'' if models == 1 else 's'}."


def engine_card(engine: Engine, known: AiBackend | None = None, *, key: str) -> None:
    """Draw an engine: state, address, speed, memory, models. All of its texts are untrusted."""
    colour, icon, word = STATES.get(engine.state, ("gray", ":material/help:", plain(engine.state)))
    with st.container(border=True, height="stretch", key=key):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.header(plain(engine.label), anchor=False, width="content")
            st.badge(word, icon=icon, color=colour)
        if engine.detail:
            st.markdown(plain(_sentence(engine.detail)))
        if engine.name == "llamacpp" and engine.state == "idle":
            _offer_demo()
        if engine.ended is not None:
            st.markdown(_end(engine.ended))
        if engine.remedy:
            st.markdown(f":material/build: **What to do:** {plain(_sentence(engine.remedy))}")
        facts = [
            *(_at_work(known) if known is not None and known.usable else ()),
            ("Address", coded(engine.address) if engine.address else None),
            ("Latency", f"{engine.latency_ms:,.0f} ms" if engine.latency_ms is not None else None),
            ("Version", coded(engine.version) if engine.version else None),
            *(_of_process(engine.process) if engine.process is not None else ()),
        ]
        st.markdown("  \n".join(f":gray[{name}]{GAP}{value}" for name, value in facts if value))
        if known is not None and known.in_use is not None:
            in_use(known.in_use, key=key)
        if engine.models:
            _models(engine.models)
        elif engine.state in {"ready", "idle"}:
            st.caption("No model yet.")


def unusable(engines: Sequence[Engine]) -> None:
    """Engines that are not running or not installed, a line each: state, reason, what to do."""
    with st.container(border=True, key="engines_absent", gap="small"):
        for engine in engines:
            colour, icon, word = STATES.get(engine.state, ("gray", ":material/help:", plain(engine.state)))
            said = [f"**{plain(engine.label)}** :{colour}-badge[{icon} {word}]"]
            if engine.detail:
                said.append(plain(_sentence(engine.detail)))
            if engine.address:
                said.append(coded(engine.address))
            if engine.ended is not None:
                said.append(_end(engine.ended))
            if engine.remedy:
                said.append(f":material/build: **What to do:** {plain(_sentence(engine.remedy))}")
            st.markdown(" ".join(said))


def _end(end: EngineEnd) -> str:
    """How its process ended, with a link to that process."""
    return f":material/dangerous: [Its process](/run?run={end.run}) {plain(end.said)} at {clock(end.ts)}."


def _offer_demo() -> None:
    """A button that downloads the demonstration model, for operators."""
    if not st.button(
        "Download the demo model (98 MB)", key="fetch_demo", icon=":material/download:", disabled=not may_change()
    ):
        return
    if not may_change():
        return
    try:
        with st.spinner("Downloading and checking the hash…"):
            agent_client().ai.fetch_demo()
    except AgentError as error:
        error_state("The model could not be downloaded.", error)
    else:
        st.rerun()


def _of_process(process: EngineProcess) -> list[tuple[str, str | None]]:
    """The process of a server on this machine: a link to its page, its model's file, what it was started with."""
    name = f"{plain(process.name)} · {process.pid}"
    others = [(key, value) for key, value in process.settings.items() if value != process.model_file]
    started = [f"{coded(key)} {plain(value)}" for key, value in others[:MOST_SETTINGS]]
    return [
        ("Process", f"[{name}](/run?run={process.run})" if process.run else name),
        ("Model file", coded(process.model_file) if process.model_file else None),
        ("Started with", ", ".join(started) or None),
    ]


def _at_work(known: AiBackend) -> list[tuple[str, str | None]]:
    """Memory, latest figures, and circuit breaker."""
    facts: list[tuple[str, str | None]] = [("Model", plain(known.model or "")), ("Memory", _memory(known))]
    for key, label, factor, unit in (
        ("first_token", "First token", 1e3, "ms"),
        ("generation", "Generation", 1.0, "tokens/s"),
    ):
        metric = known.measured.get(key)
        if metric is not None and metric.value is not None:
            spread = f", p95 {metric.p95 * factor:,.0f}" if metric.p95 is not None and key == "first_token" else ""
            facts.append((label, f"{metric.value * factor:,.0f} {unit}{spread}"))
    if known.breaker not in {None, "closed"}:
        facts.append(("Circuit breaker", f":orange[{plain(known.breaker or '')}] {plain(known.breaker_reason)}"))
    return facts


def _memory(known: AiBackend) -> str:
    """The memory in use, or the predicted memory once a model is loaded."""
    held = known.memory
    now = held and (held.vram or held.rss)
    predicted = size(known.memory_predicted) if known.memory_predicted else None
    settings = ""
    if predicted and (reckoned := known.memory_predicted_for):
        requests = f"{reckoned.parallel} request{'s' if reckoned.parallel > 1 else ''}"
        settings = f" for {requests} of {reckoned.context:,} tokens"
    if known.kind == "server":  # its processes use memory with or without a model
        told = f"; {predicted} predicted{settings}" if predicted else ""
        if not now or not now.value:
            return f"not visible from here{told}"
        return (
            f"{size(now.value)}" + (", reported" if now.origin == "reported" else " in the server's processes") + told
        )
    if not now or not now.value:
        return f"not loaded; {predicted} predicted{settings}" if predicted else "not loaded"
    said = ", reported" if now.origin == "reported" else ""
    return f"{size(now.value)}{said}" + (f"; {predicted} predicted{settings}" if predicted else "")


def _models(models: Sequence[EngineModel]) -> None:
    """The models as a table, loaded ones first. Long lists fold."""
    ordered = sorted(models, key=lambda model: (not model.loaded, model.name))
    st.markdown(_table(ordered[:MOST_MODELS]))
    if len(ordered) > MOST_MODELS:
        with st.expander(f"{len(ordered) - MOST_MODELS} more models"):
            st.markdown(_table(ordered[MOST_MODELS:]))


def _table(models: Sequence[EngineModel]) -> str:
    rows = ["| Model | Size | Context |", "|:--|--:|--:|"]
    for model in models:
        name = plain(_short(model.name))
        more = " · ".join(plain(part) for part in (model.quantization, "loaded" if model.loaded else None) if part)
        context = f"{model.context:,}" if model.context else NONE
        rows.append(
            f"| {name}{f' :gray[{more}]' if more else ''} | {size(model.size).replace(' ', NARROW)} | {context} |"
        )
    return "\n".join(rows)


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _sentence(text: str) -> str:
    """Text as a sentence: with a full stop, and capitalised unless it begins with a name such as llama.cpp."""
    text = text.strip()
    word = text.partition(" ")[0]
    return (text[:1].upper() + text[1:] if word.isalpha() else text) + ("" if text.endswith((".", "!", "?")) else ".")
