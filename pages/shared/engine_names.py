"""What engines are called: texts of the agent name them by their keys, which settings and commands take; pages call them as their cards do."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import streamlit as st

from monitor.api_models.ai import AiBackend
from monitor.api_models.base import Shape
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client

_STATE: Final = "engine_names"
Told = TypeVar("Told", bound=Shape)


def learn_names() -> None:
    """Ask once a run of the page what the engines are called; without an answer they are called as before."""
    try:
        st.session_state[_STATE] = names_of(agent_client().ai.backends().backends)
    except AgentError:
        st.session_state.setdefault(_STATE, {})


def names_of(backends: Iterable[AiBackend]) -> dict[str, str]:
    """Key → name, where they differ by more than case. Two engines of one name are told apart by their address."""
    known = [one for one in backends if one.label.casefold() != one.backend.casefold()]
    times = Counter(one.label for one in known)
    return {
        one.backend: f"{one.label} at {one.backend.partition('@')[2]}"
        if times[one.label] > 1 and "@" in one.backend
        else one.label
        for one in known
    }


def name_of(key: str) -> str:
    """What an engine is called."""
    return str(st.session_state.get(_STATE, {}).get(key, key))


def named(found: Told, names: Mapping[str, str] | None = None) -> Told:
    """What the agent said, with the names of engines in place of their keys in all its texts.

    Args:
        found: any answer of the agent that is only shown; its keys lead nowhere afterwards.
        names: key → name; those that were learned last, where none are given.
    """
    names = st.session_state.get(_STATE, {}) if names is None else names
    if not names:
        return found
    keys = "|".join(re.escape(key) for key in sorted(names, key=len, reverse=True))
    text = re.sub(
        rf"(?<![\w/.@-])(?:{keys})(?![\w/@-]|[.:]\w)",
        lambda match: json.dumps(names[match[0]])[1:-1],
        found.model_dump_json(),
    )
    return type(found).model_validate_json(text)
