"""The models of servers: what each has, what is in memory, fetching, loading, letting go, deleting."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from monitor.api_models.ai import ModelShelves, Pull, Shelf, ShelfModel
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.visitor import may_change, operators_only, visitor_name
from pages.ui.numbers import NONE, clock, duration, size
from pages.ui.question import answered, question

LOOK_S: Final = 10.0
PULL_S: Final = 1.0
KEEPS: Final = {"": "the server's choice", "5m": "5 minutes", "30m": "30 minutes", "2h": "2 hours", "-1": "for ever"}
_ABLE: Final = {"completion": "chat", "embedding": "embeddings", "insert": "fill in", "vision": "images", "thinking": "reasoning"}  # fmt: skip
_ENDS: Final = {
    "done": ":green[:material/check_circle: is here]",
    "cancelled": ":gray[:material/stop_circle: stopped]",
    "failed": ":red[:material/error: failed]",
}
state = st.session_state


@st.fragment(run_every=LOOK_S)
def shelf() -> None:
    """The section; nothing where no server can be asked for its models."""
    with guarded("the models"):
        if (refused := state.pop("shelf_refused", None)) is not None:
            error_state("That did not work.", refused)
        if (said := state.pop("shelf_said", "")) != "":
            st.success(plain(said), icon=":material/check_circle:")
        found = agent_client().ai.models.all()
        if not found.shelves:
            st.markdown(
                "No Ollama answers here. Its models are listed, fetched, loaded and deleted in this place. "
                "Start it with `ollama serve`, or enter its address in *Settings*, group *Engines*."
            )
            return
        if found.read_only:
            st.info("Actions are switched off. The setting `actions.read_only` switches them on.", icon=":material/lock:")  # fmt: skip
        allowed = may_change() and not found.read_only
        for place, one in enumerate(found.shelves):
            _one(one, place, allowed=allowed)
        if found.pulls:
            _pulls(found)


def _one(one: Shelf, place: int, *, allowed: bool) -> None:
    st.markdown(
        f"**{plain(one.label)}** :gray[{plain(one.address)}{f' · {plain(one.version)}' if one.version else ''}]"
    )
    st.caption(plain(one.settings.sentence()))
    if one.problem:
        st.warning(plain(f"{one.problem} {one.remedy}"), icon=":material/warning:")
        return
    if one.models:
        st.markdown(_table(one.models))
        _actions(one, place, allowed=allowed)
    else:
        st.markdown("No model yet. Fetch one: `llama3.2` is a good start.")
    with (
        st.form(f"shelf_fetch_{place}", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        st.text_input("Fetch a model", key=f"shelf_new_{place}", max_chars=200, placeholder="llama3.2:3b", width=320)
        st.form_submit_button(
            "Fetch", key=f"shelf_fetch_go_{place}", icon=":material/download:", on_click=_pull, args=(one.server, place), disabled=not allowed,
            help=_why(allowed=allowed) or "The server fetches it from its own registry.",
        )  # fmt: skip


def _table(models: list[ShelfModel]) -> str:
    """What changes stands beside the name: on a phone the rest is scrolled to."""
    rows = ["| Model | Now | Size | Context | Can |", "|:--|:--|--:|--:|:--|"]
    for model in sorted(models, key=lambda one: (not one.loaded, one.name)):
        more = " · ".join(plain(part) for part in (model.quantization, model.parameters) if part)
        trained = f"{model.trained_context:,}" if model.trained_context else NONE
        able = ", ".join(plain(_ABLE.get(word, word)) for word in model.capabilities) or NONE
        rows.append(
            f"| {plain(model.name)}{f' :gray[{more}]' if more else ''} | {_now(model)} | {size(model.size).replace(' ', chr(0xA0))} | {trained} | {able} |"
        )
    return "\n".join(rows)


def _now(model: ShelfModel) -> str:
    """Whether it is in memory, and for how long; or why it is not asked."""
    said = []
    if model.loaded:
        context = f", context {model.context:,}" if model.context else ""
        gpu = f", {size(model.vram)} of it on the GPU" if model.vram else ""
        left = "for ever" if model.for_ever or model.expires is None else f"until {clock(model.expires)}"
        said.append(f":green[in memory] {left}{context}, {size(model.memory)}{gpu}")
    if model.refused:
        where = f" ({plain(model.remote_host)})" if model.remote_host else ""
        said.append(f":orange[on another machine{where}], not asked: `ai.allow_remote` is off")
    elif model.remote_host:
        said.append(f":orange[on another machine ({plain(model.remote_host)})]")
    if model.chosen:
        said.append("used by Watchkeeper")
    return " · ".join(said) or NONE


def _actions(one: Shelf, place: int, *, allowed: bool) -> None:
    """What can be done to one of the models; its command to copy."""
    names = [model.name for model in one.models]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Model", names, key=f"shelf_model_{place}", width=320)
        model = next(found for found in one.models if found.name == name)
        why = _why(allowed=allowed)
        load, delete = f"shelf_ask_load_{place}", f"shelf_ask_delete_{place}"
        off = not allowed or bool(model.remote_host)
        with question("Load", load, icon=":material/memory:", disabled=off, help=why):
            context = st.number_input(
                "Context in tokens", key=f"shelf_context_{place}", min_value=16, max_value=10_000_000, value=None, step=1024,
                placeholder="the server's choice",
            )  # fmt: skip
            keep = st.selectbox("Keep it", list(KEEPS), format_func=KEEPS.__getitem__, key=f"shelf_keep_{place}")
            st.button(
                "Load it again" if model.loaded else "Load it", key=f"shelf_load_{place}", type="primary",
                on_click=answered,
                args=(load, _load, one.server, name, int(context) if context is not None else None, keep or None),
            )  # fmt: skip
        st.button(
            "Unload", key=f"shelf_unload_{place}", icon=":material/eject:", disabled=not allowed or not model.loaded,
            on_click=_unload, args=(one.server, name), help=why,
        )  # fmt: skip
        with question("Delete", delete, icon=":material/delete:", disabled=not allowed, help=why):
            st.markdown(f"Delete **{plain(name)}** from the server's disk? It frees {size(model.size)}. It has to be fetched again.")  # fmt: skip
            st.button("Delete it", key=f"shelf_delete_{place}", type="primary", on_click=answered, args=(delete, _delete, one.server, name))  # fmt: skip
    st.code(model.command, language=None)


def _why(*, allowed: bool) -> str | None:
    if allowed:
        return None
    return "Actions are switched off." if may_change() else "Only operators can do this."


@st.fragment(run_every=PULL_S)
def _pulls(before: ModelShelves) -> None:
    """What is on its way; the section is drawn again when one arrives."""
    pulls = agent_client().ai.models.pulls()
    ended = {pull.id for pull in pulls if pull.state != "running"}
    if ended - {pull.id for pull in before.pulls if pull.state != "running"}:
        agent_client().refresh_engines()
        st.rerun()
    for pull in pulls:
        _progress(pull)


def _progress(pull: Pull) -> None:
    if pull.state != "running":
        more = f" {plain(pull.error)} {plain(pull.hint)}" if pull.error else ""
        st.markdown(f"{plain(pull.model)} {_ENDS[pull.state]}{more}")
        return
    arrived = f" · {size(pull.done)} of {size(pull.total)}" if pull.total else ""
    rate = f" · {size(pull.bytes_per_s)}/s" if pull.bytes_per_s else ""
    left = f" · {duration(pull.left_s)} left" if pull.left_s is not None else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        share = min(pull.done / pull.total, 1.0) if pull.total else 0.0
        st.progress(share, text=plain(f"{pull.model}: {pull.status}{arrived}{rate}{left}"))
        st.button("Stop", key=f"shelf_stop_{pull.id}", icon=":material/stop_circle:", on_click=_stop, args=(pull.id,), disabled=not may_change())  # fmt: skip


# --- actions


def _do(what: str, work: Callable[[str], str]) -> None:
    """Do it if the visitor may; what came of it is shown above the models."""
    try:
        if not may_change():
            raise operators_only(what)
        state.shelf_said = work(visitor_name())
    except AgentError as error:
        state.shelf_refused = error


def _pull(server: str, place: int) -> None:
    name = str(state.get(f"shelf_new_{place}") or "").strip()
    if name:
        models = agent_client().ai.models
        _do("fetch models", lambda by: f"{models.pull(name, server=server, by=by).model} is being fetched.")


def _load(server: str, name: str, context: int | None, keep: str | None) -> None:
    def work(by: str) -> str:
        found = agent_client().ai.models.load(name, server=server, context=context, keep_alive=keep, by=by)
        return f"{found.name} is in memory with a context of {found.context:,}." if found.context else f"{found.name} is loaded."  # fmt: skip

    _do("load models", work)


def _unload(server: str, name: str) -> None:
    models = agent_client().ai.models
    _do("unload models", lambda by: f"{models.unload(name, server=server, by=by).name} was let go.")


def _delete(server: str, name: str) -> None:
    def work(by: str) -> str:
        freed = agent_client().ai.models.delete(name, server=server, by=by).freed
        then = f"; {size(freed)} are free again" if freed else ", and another name of it remains" if freed == 0 else ""
        return f"{name} is deleted{then}."

    _do("delete models", work)


def _stop(pull: str) -> None:
    models = agent_client().ai.models
    _do("stop a fetch", lambda by: "The fetch was stopped. It goes on from there the next time." if models.cancel_pull(pull, by=by) else "It had ended already.")  # fmt: skip
