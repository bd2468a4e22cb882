"""One model engine as a card, and all of them as a sentence."""

from collections.abc import Sequence
from typing import Final, Literal

import streamlit as st

from monitor.ai_models import AiBackend
from monitor.errors import AgentError
from monitor.models import Engine, EngineModel
from pages._agent import agent_client, error_state, plain
from pages._benchmark_offer import in_use
from pages._visitor import may_change
from pages._words import size

Colour = Literal["green", "blue", "orange", "red", "gray"]
STATES: Final[dict[str, tuple[Colour, str, str]]] = {
    "ready": ("green", ":material/check_circle:", "ready"),
    "idle": ("blue", ":material/pause_circle:", "idle"),
    "down": ("orange", ":material/power_off:", "not running"),
    "error": ("red", ":material/error:", "error"),
    "missing": ("gray", ":material/do_not_disturb_on:", "not installed"),
}
"""Colour, sign and word of each state; the word alone says it all."""
MOST_MODELS: Final = 8
NARROW: Final = "\u00a0"
GAP: Final = "&ensp;"
ABSENT: Final = frozenset({"down", "missing"})
"""States of engines that stand in one list, with what to do; all others have a card."""


def summary(engines: Sequence[Engine]) -> str:
    """What can be used here, in one sentence of Markdown."""
    usable = [engine for engine in engines if engine.state in {"ready", "idle"}]
    if not engines:
        return "**No engine is known here.**"
    if not usable:
        return "**No engine can be used yet.** Each card says what is missing."
    names = ", ".join(plain(engine.label) for engine in usable)
    models = sum(len(engine.models) for engine in usable)
    be = "is" if len(usable) == 1 else "are"
    return f"**{len(usable)} of {len(engines)} engines {be} usable**: {names}, with {models} model{'' if models == 1 else 's'}."


def engine_card(engine: Engine, known: AiBackend | None = None, *, key: str) -> None:
    """Draw one engine that is here: state, what it is, how fast it was, what it takes, its models. All of its words are a stranger's."""
    colour, icon, word = STATES.get(engine.state, ("gray", ":material/help:", plain(engine.state)))
    with st.container(border=True, height="stretch", key=key):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.header(plain(engine.label), anchor=False, width="content")
            st.badge(word, icon=icon, color=colour)
        if engine.detail:
            st.markdown(plain(_sentence(engine.detail)))
        if engine.name == "llamacpp" and engine.state == "idle":
            _offer_demo()
        if engine.remedy:
            st.markdown(f":material/build: **What to do:** {plain(_sentence(engine.remedy))}")
        facts = [
            *(_at_work(known) if known is not None and known.usable else ()),
            ("address", _as_is(engine.address) if engine.address else None),
            ("answers in", f"{engine.latency_ms:,.0f} ms" if engine.latency_ms is not None else None),
            ("version", _as_is(engine.version) if engine.version else None),
        ]
        st.markdown("  \n".join(f":gray[{name}]{GAP}{value}" for name, value in facts if value))
        if known is not None and known.in_use is not None:
            in_use(known.in_use, key=key)
        if engine.models:
            _models(engine.models)
        elif engine.state in {"ready", "idle"}:
            st.caption("It has no model yet.")


def unusable(engines: Sequence[Engine]) -> None:
    """Those that are not here, a line each: state, why, what to do."""
    with st.container(border=True, key="engines_absent", gap="small"):
        for engine in engines:
            colour, icon, word = STATES.get(engine.state, ("gray", ":material/help:", plain(engine.state)))
            said = [f"**{plain(engine.label)}** :{colour}-badge[{icon} {word}]"]
            if engine.detail:
                said.append(plain(_sentence(engine.detail)))
            if engine.address:
                said.append(_as_is(engine.address))
            if engine.remedy:
                said.append(f":material/build: **What to do:** {plain(_sentence(engine.remedy))}")
            st.markdown(" ".join(said))


def _offer_demo() -> None:
    """One click fetches the demonstration model, for an operator."""
    if not st.button(
        "Fetch the demonstration model (98 MB)", key="fetch_demo", icon=":material/download:", disabled=not may_change()
    ):
        return
    if not may_change():
        return
    try:
        with st.spinner("Fetching, and checking its hash…"):
            agent_client().ai.fetch_demo()
    except AgentError as error:
        error_state("The model was not fetched.", error)
    else:
        st.rerun()


def _at_work(known: AiBackend) -> list[tuple[str, str | None]]:
    """Memory, the newest figures, and the circuit."""
    facts: list[tuple[str, str | None]] = [("in use", plain(known.model or "")), ("memory", _memory(known))]
    for key, label, factor, unit in (
        ("first_token", "first token", 1e3, "ms"),
        ("generation", "generation", 1.0, "tokens/s"),
    ):
        metric = known.measured.get(key)
        if metric is not None and metric.value is not None:
            spread = f", p95 {metric.p95 * factor:,.0f}" if metric.p95 is not None and key == "first_token" else ""
            facts.append((label, f"{metric.value * factor:,.0f} {unit}{spread}"))
    if known.breaker not in {None, "closed"}:
        facts.append(("circuit", f":orange[{plain(known.breaker or '')}] {plain(known.breaker_reason)}"))
    return facts


def _memory(known: AiBackend) -> str:
    """What it holds, or would hold once it is asked."""
    held = known.memory
    now = held and (held.vram or held.rss)
    predicted = size(known.memory_predicted) if known.memory_predicted else None
    settings = ""
    if predicted and (reckoned := known.memory_predicted_for):
        requests = f"{reckoned.parallel} request{'s' if reckoned.parallel > 1 else ''}"
        settings = f" for {requests} of {reckoned.context:,} tokens"
    if (
        known.kind == "server"
    ):  # its processes hold something whether a model is loaded or not, which the sentence above tells
        told = f"; {predicted} predicted{settings}" if predicted else ""
        if not now or not now.value:
            return f"not to be seen from here{told}"
        return (
            f"{size(now.value)}"
            + (", as it reports" if now.origin == "reported" else " in the server's processes")
            + told
        )
    if not now or not now.value:
        return f"none, not loaded; {predicted} predicted{settings}" if predicted else "none, not loaded"
    said = ", as it reports" if now.origin == "reported" else ""
    return f"{size(now.value)}{said}" + (f"; {predicted} were predicted{settings}" if predicted else "")


def _models(models: Sequence[EngineModel]) -> None:
    """The models as a table; those in memory first, and what is beyond a screenful folded away."""
    ordered = sorted(models, key=lambda model: (not model.loaded, model.name))
    st.markdown(_table(ordered[:MOST_MODELS]))
    if len(ordered) > MOST_MODELS:
        with st.expander(f"{len(ordered) - MOST_MODELS} more models"):
            st.markdown(_table(ordered[MOST_MODELS:]))


def _table(models: Sequence[EngineModel]) -> str:
    rows = ["| model | size | context |", "|:--|--:|--:|"]
    for model in models:
        name = plain(_short(model.name))
        more = " · ".join(plain(part) for part in (model.quantization, "in memory" if model.loaded else None) if part)
        context = f"{model.context:,}" if model.context else "-"
        rows.append(
            f"| {name}{f' :gray[{more}]' if more else ''} | {size(model.size).replace(' ', NARROW)} | {context} |"
        )
    return "\n".join(rows)


def _as_is(text: str) -> str:
    """Text to be copied, such as an address: as code, which is never read as anything else."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name such as llama.cpp, and a full stop."""
    text = text.strip()
    word = text.partition(" ")[0]
    return (text[:1].upper() + text[1:] if word.isalpha() else text) + ("" if text.endswith((".", "!", "?")) else ".")
