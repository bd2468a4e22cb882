"""A small chat with one model of one engine, to try it: its words as they come, and its figures."""

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from monitor.api_models.ai import AiBackend, Trial, Turn
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, guarded, plain
from pages.shared.engine_names import name_of
from pages.shared.visitor import may_change, operators_only
from pages.ui.components import reached_by_keyboard

FOLLOW_S: Final = 0.4
HEIGHT: Final = 320
TOKENS: Final = 512
GONE: Final = 404
AVATARS: Final = {"user": ":material/person:", "assistant": ":material/neurology:"}
WORDS: Final = {"loading": "Loading the model…", "answering": "Answering…"}
state = st.session_state


def chat_box(backends: Sequence[AiBackend]) -> None:
    """The box, for the engines that can be asked.

    Args:
        backends: the engines as the agent knows them.
    """
    usable = {one.backend: one for one in backends if one.usable}
    if not usable:
        st.caption("No engine can be asked yet. Each entry above says what is missing.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(usable)
        engine = st.selectbox(
            "Engine", names, key="chat_engine", format_func=lambda name: usable[name].label if name_of(name) == name else name_of(name), width=320,
            on_change=_forget,
        )  # fmt: skip
        models = _models(usable[engine])
        model = st.selectbox("Model", models, key=f"chat_model_{engine}", width=320, on_change=_forget)
        st.button("Start again", key="chat_clear", icon=":material/restart_alt:", on_click=_forget, disabled=not state.get("chat_turns"))  # fmt: skip
    _refusal()
    turns: list[dict[str, str]] = state.setdefault("chat_turns", [])
    with st.container(border=True, height=HEIGHT if turns else "content", key="chat_talk"):
        if not turns:
            st.caption(
                "Ask anything. The answer comes with the time to its first token and its speed. Nothing is stored."
            )
        for turn in turns:
            _turn(turn["role"], turn["content"], turn.get("note", ""), turn.get("instead", ""))
        if "chat_running" in state:
            _follow()
    if turns:
        reached_by_keyboard("chat_talk", "Conversation")
    st.chat_input(
        "Ask this model" if may_change() else "Only operators can ask a model",
        key="chat_question", max_chars=20_000, disabled=not may_change() or "chat_running" in state,
        on_submit=_ask, args=(engine, model or ""),
    )  # fmt: skip


def _models(backend: AiBackend) -> list[str]:
    """Those that can chat, the one in use first."""
    able = [m.name for m in backend.models if m.chats]
    first = backend.model or ""
    return [name for name in dict.fromkeys([first, *able]) if name]


def _turn(role: str, text: str, note: str, instead: str) -> None:
    with st.chat_message(role, avatar=AVATARS[role]):
        st.markdown("  \n".join(plain(line) for line in text.split("\n")) or f":gray[{plain(instead) or 'no text'}]")
        if text and instead:
            st.markdown(f":gray[{plain(instead)}]")
        if note:
            st.caption(plain(note))


@st.fragment(run_every=FOLLOW_S)
def _follow() -> None:
    """What the model says, as it says it."""
    if "chat_running" not in state:
        return
    with guarded("the answer"):
        try:
            now = agent_client().ai.models.answer(state.chat_running)
        except Refused as error:
            if error.status != GONE:
                raise
            del state.chat_running
            st.rerun()
        if now.state not in WORDS:
            _ended(now)
            st.rerun()
        with st.chat_message("assistant", avatar=AVATARS["assistant"]):
            if now.reasoning and not now.text:
                st.caption("Reasoning…")
            st.markdown("  \n".join(plain(line) for line in now.text.split("\n")) or f":gray[{WORDS[now.state]}]")
        st.button("Stop", key="chat_stop", icon=":material/stop_circle:", on_click=_stop)


def _ended(now: Trial) -> None:
    """Keep the answer among the turns."""
    del state.chat_running
    if now.state == "failed":
        state.chat_refused = AgentError(now.error.rstrip("."), hint=now.hint)
    figures = f"{now.model}: {now.figures.sentence()}." if now.figures is not None else ""
    note = " ".join([figures, *now.notes, *(["Stopped."] if now.state == "cancelled" else [])]).strip()
    if now.text or now.state == "done":
        state.chat_turns = [
            *state.chat_turns,
            {"role": "assistant", "content": now.text, "note": note, "instead": now.instead},
        ]


def _ask(engine: str, model: str) -> None:
    question = str(state.chat_question or "").strip()
    if not question:
        return
    turns: list[dict[str, Any]] = [*state.get("chat_turns", []), {"role": "user", "content": question}]
    said = [
        Turn.model_validate({"role": turn["role"], "content": turn["content"]}) for turn in turns if turn["content"]
    ]
    try:
        if not may_change():
            raise operators_only("ask a model")
        state.chat_running = agent_client().ai.models.ask(said, backend=engine, model=model, max_tokens=TOKENS).id
        state.chat_turns = turns
    except AgentError as error:
        state.chat_refused = error


def _stop() -> None:
    try:
        agent_client().ai.models.stop(state.chat_running)
    except AgentError as error:
        state.chat_refused = error


def _forget() -> None:
    """Another model, another conversation."""
    if "chat_running" in state:
        _stop()
    for key in ("chat_turns", "chat_running"):
        state.pop(key, None)


def _refusal() -> None:
    error = state.pop("chat_refused", None)
    if error is not None:
        error_state("The model did not answer.", error)
