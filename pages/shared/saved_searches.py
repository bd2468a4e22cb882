"""The searches of logs that people saved under names: a list to choose from, and a form that saves the one in force."""

from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from monitor.api_models.logs import LONGEST_PID, SavedSearch, SavedSearches
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, error_state, plain
from pages.shared.visitor import may_change, operators_only

_OTHERS: Final = ("query", "case", "raw", "levels", "run", "process", "q", "record")
"""Parts of the address that a search has, or that belong to the one before."""
_LONGEST: Final = 80


def known_searches() -> SavedSearches | None:
    """All of them; None while the agent does not answer."""
    try:
        return agent_client().saved_searches()
    except AgentError:
        return None


def view_to_save(query: str, sources: list[str], levels: list[str], process: str) -> SavedSearch:
    """What the page shows now, as a search without a name."""
    digits = process.strip()
    return SavedSearch.model_validate(
        {
            "name": "",
            "query": query,
            "case": bool(query) and st.query_params.get("case") == "1",
            "raw": bool(query) and st.query_params.get("raw") == "1",
            "sources": sources,
            "levels": levels,
            "process": digits if digits.isascii() and digits.isdigit() else "",
        }
    )


def address_of(one: SavedSearch) -> dict[str, Any]:
    """A search for the suggestions of the search box: its name, what it says, and the parameters of the address."""
    return {"name": one.name, "detail": one.said, "params": _params(one)}


def saved_searches(found: SavedSearches | None, now: SavedSearch) -> None:
    """Draw the list, and the form for the search in force.

    Raises:
        AgentError: the agent does not answer.
    """
    found = found or agent_client().saved_searches()
    state = st.session_state
    failed = state.pop("saved_failed", None)
    if failed is not None:
        error_state("Nothing was changed.", failed)
    for wrong in found.wrong:
        st.warning(plain(f"{found.file}: {wrong}"), icon=":material/warning:")
    allowed = may_change()
    if not found.searches:
        st.caption("No search has been saved yet. Search for something, then give it a name here.")
    this = next((one for one in found.searches if one.model_copy(update={"name": ""}) == now), None)
    for number, one in enumerate(found.searches):
        _row(number, one, allowed=allowed, shown=one is this)
    if this is None and now.params():
        _form(found, now, allowed=allowed)
    elif this is None and found.searches:
        st.caption("To save another search, search for it first.")


def _row(number: int, one: SavedSearch, *, allowed: bool, shown: bool) -> None:
    state = st.session_state
    if state.get("saved_renamed") == one.name:
        with (
            st.form(f"saved_rename_{number}", border=False),
            st.container(horizontal=True, vertical_alignment="bottom"),
        ):
            st.text_input("New name", value=one.name, key=f"saved_new_name_{number}", max_chars=_LONGEST)
            st.form_submit_button("Rename", on_click=_rename, args=(one, f"saved_new_name_{number}"))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"**{plain(one.name)}**" if shown else plain(one.name),
            key=f"saved_open_{number}",
            type="tertiary",
            icon=":material/check:" if shown else None,
            help=plain(one.said),
            width="stretch",
            on_click=_open,
            args=(one,),
        )
        for word, icon, key, work in (
            ("Rename", "edit", f"saved_rename_button_{number}", _ask_name),
            ("Delete", "delete", f"saved_delete_{number}", _delete),
        ):
            st.button(
                word,
                key=key,
                type="tertiary",
                icon=f":material/{icon}:",
                disabled=not allowed,
                on_click=work,
                args=(one.name,),
            )


def _form(found: SavedSearches, now: SavedSearch, *, allowed: bool) -> None:
    """The name for the search in force."""
    with st.form("saved_form", border=False, clear_on_submit=False):
        st.caption(plain(now.said))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                "Name for this search",
                key="saved_name",
                max_chars=_LONGEST,
                placeholder="slow jobs",
                disabled=not allowed,
                help="Everybody who uses this dashboard finds it, and `watchkeeper logs search --saved` does. The time range is not kept; write since:2h in the search to keep one.",
            )
            st.form_submit_button("Save", disabled=not allowed, on_click=_save, args=(now,))
    if not allowed:
        st.caption("Only operators can save searches.")
    replaced = st.session_state.get("saved_taken", "")
    if replaced and any(one.name.casefold() == replaced.casefold() for one in found.searches):
        st.caption(plain(f"There is a search named {replaced}."))
        st.button(
            f"Replace {plain(replaced)}", key="saved_replace", disabled=not allowed, on_click=_save, args=(now, True)
        )


def _open(one: SavedSearch) -> None:
    """Show what the search finds; its sources stand in a box of their own."""
    for name in _OTHERS:
        st.query_params.pop(name, None)
    params = _params(one)
    st.session_state["source"] = params.pop("source", [])
    st.session_state["process"] = params.pop("process", "")
    st.query_params.update(params)


def _params(one: SavedSearch) -> dict[str, Any]:
    """The parameters of the address."""
    found: dict[str, Any] = {"query": one.query} if one.query else {}
    found |= {name: "1" for name in ("case", "raw") if getattr(one, name)}
    if one.sources:
        found["source"] = one.sources
    if one.levels:
        found["levels"] = ",".join(one.levels)
    if one.process:
        found["process" if len(one.process) <= LONGEST_PID else "run"] = one.process
    return found


def _delete(name: str) -> None:
    _attempt("delete saved searches", lambda: agent_client().remove_search(name))


def _ask_name(name: str) -> None:
    st.session_state["saved_renamed"] = name


def _rename(one: SavedSearch, box: str) -> None:
    name = str(st.session_state.get(box, "")).strip()
    changed = one.model_copy(update={"name": name})
    if _attempt("rename saved searches", lambda: agent_client().save_search(changed, was=one.name)):
        st.session_state.pop("saved_renamed", None)


def _save(now: SavedSearch, replace: bool = False) -> None:  # noqa: FBT001, FBT002 - Streamlit hands arguments over by place
    state = st.session_state
    name = str(state.get("saved_name", "")).strip()
    state.pop("saved_taken", None)
    known = known_searches()
    if not replace and known and any(one.name.casefold() == name.casefold() for one in known.searches):
        state["saved_taken"] = name
        return
    named = now.model_copy(update={"name": name})
    if _attempt("save searches", lambda: agent_client().save_search(named, replace=replace)):
        state["saved_name"] = ""


def _attempt(what: str, work: Callable[[], object]) -> bool:
    """Do what only operators may; whether it was done."""
    if not may_change():
        st.session_state["saved_failed"] = operators_only(what)
        return False
    try:
        work()
    except AgentError as error:
        st.session_state["saved_failed"] = error
        return False
    return True
