"""The log formats that people described: a list, and a form that drafts one from a few lines and shows how it reads them."""

import re
from collections.abc import Callable
from typing import Any, Final

import pandas as pd
import streamlit as st

from monitor.api_models.logs import FormatTried, OwnFormat
from monitor.client.client import Refused
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, coded, error_state, plain
from pages.shared.visitor import may_change, operators_only

DESCRIBE: Final = "describe"
"""The part of the address that asks for a draft: a source, some of whose lines it is drafted from."""
FILE: Final = "file"
"""The part of the address that says from which of its files, as the source names them."""
_ODD: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 40
"""What a name must not have, and its length."""
_FIELDS: Final = ("format_lines", "format_toml", "format_name", "format_files")
_EXAMPLE: Final = "2026-03-20 22:11:12 <WARN> worker-3 slow query\n2026-03-20 22:11:15 <ERR> worker-1 lost connection"
_BY_HAND: Final = """\
pattern = '(?P<message>.+)'

# Name in it what stands before the message, for example:
# pattern = '(?P<time>\\d+h\\d+m) (?P<level>\\w+) (?P<message>.*)'
# How the time is written, in the letters of strptime:
# time_layout = '%Hh%Mm'
# [levels]
# bad = 'error'
"""
"""What a person starts from where nothing could be drafted."""


def log_formats(*, allowed: bool) -> None:
    """Draw the section. `allowed`: whether the visitor may change anything.

    Raises:
        AgentError: the agent does not answer.
    """
    state = st.session_state
    found = agent_client().log_formats()
    if allowed:
        _draft_as_asked()
    with st.container(border=True, key="group_formats"):
        st.header("Log formats", anchor="formats")
        st.caption(
            "Describe how a log is written if Watchkeeper does not read it right. Records that are already stored do not change."
        )
        failed = state.pop("format_failed", None)
        if failed is not None:
            error_state("The format was not saved.", failed)
        done = state.pop("format_done", "")
        if done:
            st.success(done, icon=":material/check_circle:")
        for file, error in found.errors.items():
            st.warning(f"{coded(file)} cannot be used: {plain(error)}", icon=":material/warning:")
        for one in found.formats:
            _row(one, allowed=allowed)
        if allowed:
            with st.expander(
                "Edit a format" if state.get("format_name") else "New format",
                key="format_form",
                expanded=any(state.get(name) for name in ("format_toml", "format_lines", "format_no_draft")),
            ):
                _form(found.folder)


def _row(one: OwnFormat, *, allowed: bool) -> None:
    words, control = st.columns([3, 2], vertical_alignment="center")
    with words:
        right = one.samples - len(one.wrong)
        colour = "green" if one.samples and not one.wrong else "orange"
        badge = f":{colour}-badge[{right} of {one.samples} samples right]" if one.samples else ":gray-badge[no samples]"
        st.markdown(f"**{coded(one.name)}** {badge}")
        st.caption(
            "Reads " + ", ".join(coded(file) for file in one.files)
            if one.files
            else "Reads no file. Edit it to name its files."
        )
        for wrong in one.wrong:
            st.caption(f":orange[{plain(wrong)}]")
    with control, st.container(horizontal=True, horizontal_alignment="right"):
        st.button(
            "Edit",
            key=f"format_edit_{one.name}",
            type="tertiary",
            icon=":material/edit:",
            disabled=not allowed,
            on_click=_edit,
            args=(one,),
        )
        st.button(
            "Remove",
            key=f"format_remove_{one.name}",
            type="tertiary",
            icon=":material/delete:",
            disabled=not allowed,
            on_click=_remove,
            args=(one.name,),
        )


def _form(folder: str) -> None:
    state = st.session_state
    lines = st.text_area(
        "Lines from the log",
        key="format_lines",
        height=120,
        placeholder=_EXAMPLE,
        help="Three lines are enough. Take different ones.",
    )
    st.button(
        "Draft a format",
        key="format_draft",
        icon=":material/auto_awesome:",
        disabled=not lines.strip(),
        on_click=_draft,
    )
    refused = state.pop("format_no_draft", None)
    # What comes and goes has a place of its own: a field that moves up or down is made anew, without what is being typed in it.
    with st.container():
        if refused is not None:
            error_state("No format could be drafted.", refused)
    toml = st.text_area(
        "Format (TOML)",
        key="format_toml",
        height=220,
        help="`pattern` is an RE2 expression. Its groups `time`, `level`, `logger`, `pid` and `message` have a meaning. All others become fields.",
    )
    if not toml.strip():
        return
    with st.container():
        wrong = _preview(toml, [line for line in lines.splitlines() if line.strip()])
    name_column, files_column = st.columns([1, 2])
    name = name_column.text_input("Name", key="format_name", placeholder="shop")
    files = files_column.text_input(
        "Files",
        key="format_files",
        placeholder="/srv/shop/*.log",
        help="Absolute paths, separated by commas. `*` matches any text.",
    )
    with st.container(horizontal=True):
        st.button(
            "Save format",
            key="format_save",
            type="primary",
            icon=":material/save:",
            disabled=wrong or not name.strip(),
            on_click=_save,
            args=(name, toml, files),
        )
        st.button("Discard", key="format_discard", on_click=_clear)
    unnamed = "" if name.strip() else "Give it a name, then save it. "
    st.caption(f"{unnamed}It becomes a file in {coded(folder)}.")


def _preview(toml: str, lines: list[str]) -> bool:
    """How the format reads the lines; whether it cannot be used."""
    try:
        tried = agent_client().try_format(lines, toml)
    except Refused as error:
        st.error(plain(f"{error.message[:1].upper()}{error.message[1:]}. {error.hint}"), icon=":material/error:")
        return True
    for wrong in tried.wrong:
        st.warning(f"Sample: {plain(wrong)}", icon=":material/warning:")
    if tried.lines:
        missed = sum(1 for line in tried.lines if not line.matches)
        if missed:
            st.caption(
                f":orange[{missed} of {len(tried.lines)} lines do not match. They would continue the record before them.]"
            )
        st.dataframe(_table(tried), hide_index=True, width="stretch")
    return False


def _table(tried: FormatTried) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "Time": (line.ts or "")[:26].replace("T", " ").removesuffix("+00:00"),
            "Level": line.level or "",
            "Logger": line.logger or "",
            "PID": "" if line.pid is None else str(line.pid),
            "Message": line.message,
            "Fields": " ".join(f"{key}={value}" for key, value in (line.fields or {}).items()),
        }
        for line in tried.lines
    ]
    table = pd.DataFrame(rows)
    return table.loc[:, [c for c in table if c in {"Time", "Level", "Message"} or (table[c] != "").any()]]


def _attempt(work: Callable[[], object], done: str) -> bool:
    """Do what only operators may; the result is shown by the next run of the page."""
    state = st.session_state
    if not may_change():
        state.format_failed = operators_only("change log formats")
        return False
    try:
        work()
    except AgentError as error:
        state.format_failed = error
        return False
    state.format_done = done
    return True


def _draft() -> None:
    state = st.session_state
    try:
        state.format_toml = (
            agent_client().try_format([line for line in state.format_lines.splitlines() if line.strip()]).toml
        )
    except AgentError as error:
        state.format_no_draft = error
        state.format_toml = state.get("format_toml") or _BY_HAND


def _draft_as_asked() -> None:
    """Fill the form with lines of the file that the address names, once, and, where one can be drafted, a format of them."""
    asked = st.query_params.get(DESCRIBE, ""), st.query_params.get(FILE, "")
    if not all(asked) or st.session_state.get("format_asked") == asked:
        return
    st.session_state.format_asked = asked
    source, named = asked
    for file in agent_client().log_readings(source).files:
        if file.named == named and file.reading is not None:
            lines = "\n".join(one.line for one in file.reading.examples)
            name = _ODD.sub("-", source.casefold()).lstrip("0123456789-")[:_LONGEST].rstrip("-")
            st.session_state.update(format_lines=lines, format_files=named, format_name=name)
            _draft()


def _edit(one: OwnFormat) -> None:
    st.session_state.update(format_toml=one.toml, format_name=one.name, format_files=", ".join(one.files))


def _save(name: str, toml: str, files: str) -> None:
    patterns = [file.strip() for file in files.split(",") if file.strip()]
    if _attempt(
        lambda: agent_client().save_format(name.strip(), toml, patterns), f"Format {coded(name.strip())} saved."
    ):
        _clear()


def _remove(name: str) -> None:
    _attempt(lambda: agent_client().remove_format(name), f"Format {coded(name)} removed.")


def _clear() -> None:
    for field in _FIELDS:
        st.session_state[field] = ""
