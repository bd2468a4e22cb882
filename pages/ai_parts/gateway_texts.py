"""Prompts and answers of calls through the gateway: whether they are kept, and, for operators, what they say and how they go."""

from typing import Final

import streamlit as st

from monitor.api_models.gateway import GatewayTextsKept
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, guarded
from pages.shared.visitor import may_change, operators_only
from pages.ui.numbers import count, moment, size
from pages.ui.question import answered, question

_SHOWN: Final = 100
_REFUSED: Final = "gateway_texts_refused"


def texts(kept: GatewayTextsKept) -> None:
    """The part of the section: closed, with what it says in its title."""
    with st.expander(_title(kept), icon=":material/forum:", key="gateway_texts"):
        if (error := st.session_state.pop(_REFUSED, None)) is not None:
            error_state("This could not be done.", error)
        st.session_state.gateway_keep_texts = kept.keeps
        st.toggle(
            "Keep prompts and answers", key="gateway_keep_texts", on_change=_switch, disabled=not may_change(),
            help=None if may_change() else "Only operators can switch it.",
        )  # fmt: skip
        st.caption(
            f"Secrets are masked before anything is written. Each goes after {kept.days} days, the oldest first beyond {size(kept.limit)} "
            "(*Settings*, group *Gateway*). Only operators can read and delete them."
        )
        if kept.lost:
            st.caption(f":orange[Those of {count(kept.lost)} calls could not be written.]")
        if kept.calls and may_change():
            with guarded("the prompts and answers"):
                _read()


def _title(kept: GatewayTextsKept) -> str:
    if not kept.calls:
        return "Prompts and answers are kept from now on." if kept.keeps else "Prompts and answers are not kept."
    there = f"those of {count(kept.calls)} call{'' if kept.calls == 1 else 's'} are here, {size(kept.size)}"
    return (
        f"Prompts and answers are kept: {there}." if kept.keeps else f"Prompts and answers are kept no longer; {there}."
    )


def _read() -> None:
    """Choose a call, read it, delete it."""
    client = agent_client().gateway
    heads = {head.call: head for head in client.texts(_SHOWN).texts}
    about = {call.call: call for call in client.calls(1000).calls}

    def title(call: str) -> str:
        known = about.get(call)
        who = (
            f", {known.program or known.key_name or 'a program'} to {known.model or known.wanted}"
            if known is not None
            else ""
        )
        return f"{moment(heads[call].ts)}{who}"

    chosen = st.selectbox("Call", list(heads), key="gateway_text_call", format_func=title)
    if chosen is None:
        return
    found = client.text(chosen)
    for name, text, cut in (("Prompt", found.prompt, found.prompt_cut), ("Answer", found.answer, found.answer_cut)):
        st.caption(f"{name}{', shortened' if cut else ''}")
        st.code(
            text or "(no text)",
            language=None,
            wrap_lines=True,
            height=min(40 + 22 * (text.count("\n") + len(text) // 90 + 1), 320),
        )
    with st.container(horizontal=True):
        st.button("Delete this", key="gateway_text_delete", icon=":material/delete:", on_click=_delete, args=(chosen,))
        with question("Delete all", "gateway_texts_ask", icon=":material/delete_sweep:"):
            st.markdown(
                f"Delete the prompts and answers of all {count(len(heads))}{'+' if len(heads) == _SHOWN else ''} calls? They cannot be brought back."
            )
            st.button("Delete them", key="gateway_texts_delete", type="primary", on_click=answered, args=("gateway_texts_ask", _delete, None))  # fmt: skip


def _switch() -> None:
    wanted = bool(st.session_state.gateway_keep_texts)
    try:
        if not may_change():
            raise operators_only("keep prompts and answers")
        agent_client().save_settings({"gateway.keep_texts": wanted})
    except AgentError as error:
        st.session_state[_REFUSED] = error


def _delete(call: str | None) -> None:
    try:
        if not may_change():
            raise operators_only("delete prompts and answers")
        agent_client().gateway.delete_texts(call)
    except AgentError as error:
        st.session_state[_REFUSED] = error
