"""A model's opinion on what the log says: the newest warnings and errors, or one record."""

import streamlit as st

from monitor.errors import AgentError
from pages._agent import agent_client, error_state, plain
from pages._visitor import may_change

SPANS = {"15m": "last 15 minutes", "1h": "last hour", "24h": "last day"}


def explain_errors() -> None:
    """The panel: a span, a question, an opinion that cites records."""
    left, right = st.columns([1, 2])
    since = left.selectbox(
        "Warnings and errors of the", list(SPANS), format_func=SPANS.__getitem__, key="explain_since"
    )
    question = right.text_input("Question", key="explain_question", placeholder="What happened here?", max_chars=400)
    if st.button("Explain", key="explain", icon=":material/psychology:", disabled=not may_change()) and may_change():
        st.session_state.pop("opinion", None)
        try:
            with st.spinner("A local model reads the records; secrets are masked first…"):
                st.session_state.opinion = agent_client().ai.explain(since=since, question=question)
        except AgentError as error:
            error_state("There is no opinion.", error)
    opinion = st.session_state.get("opinion")
    if opinion is None:
        st.caption("The records stay on this machine unless the settings allow engines on another one.")
        return
    st.markdown(plain(opinion.text))
    if opinion.next_step:
        st.markdown(f"**Next:** {plain(opinion.next_step)}")
    if opinion.cited:
        st.caption("It rests on " + ", ".join(f"[{plain(cited)}](/logs?record={cited})" for cited in opinion.cited))
    else:
        st.caption("It cites no record that exists: it rests on nothing.")
    wrong = f" · {opinion.invented} invented citations were taken out" if opinion.invented else ""
    left_out = f" · {opinion.omitted} records did not fit" if opinion.omitted else ""
    st.caption(
        f":material/psychology_alt: {plain(opinion.notice)} {plain(opinion.backend)}, {opinion.seconds:.1f} s{wrong}{left_out}"
    )
