"""How the files of a log source are read: a dialog that marks the parts in a line of each file, and takes corrections."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from monitor.api_models.logs import FileReading, LogReadings, MarkedLine, Reading
from monitor.core.errors import AgentError
from pages.shared.agent import agent_client, coded, error_state, guarded, plain
from pages.shared.log_formats import DESCRIBE, FILE
from pages.shared.visitor import may_change, operators_only

_COLOURS: Final[Mapping[str, str]] = {"time": "blue", "level": "orange", "logger": "violet", "pid": "green"}
_NAMES: Final = {"time": "Time", "level": "Level", "logger": "Logger", "pid": "PID"}
_ORDERS: Final = {
    "day-first": "The day comes first",
    "month-first": "The month comes first",
    "year-first": "The year comes first",
}
_DETECT: Final = "detect"
_OPEN: Final = "reading"
"""The part of the address that opens the dialog; its value is the source."""


def reading_button(sources: list[str], chosen: list[str]) -> None:
    """The button that opens the dialog, for the source that is chosen, that of the open record, or one that can be chosen there."""
    if st.button(
        "How it is read",
        key="reading_button",
        icon=":material/rule:",
        help="Where time, level and logger stand in each file of a source, and how to correct it.",
        disabled=not sources,
    ):
        st.query_params[_OPEN] = next((one for one in [*chosen, _of_open_record()] if one in sources), sources[0])
    if st.query_params.get(_OPEN):
        st.dialog("How this log is read", width="large", on_dismiss=_close)(_body)(sources)


def _of_open_record() -> str:
    """The source of the record that is open, empty without one."""
    record = st.query_params.get("record", "")
    try:
        return agent_client().log_record(record).source if record else ""
    except AgentError:
        return ""


def _close() -> None:
    st.query_params.pop(_OPEN, None)


def _body(sources: list[str]) -> None:
    wanted = st.query_params.get(_OPEN, "")
    known = sources if wanted in sources else [wanted, *sources]
    source = st.selectbox("Source", known, index=known.index(wanted), key="reading_source")
    failed = st.session_state.pop("reading_failed", None)
    if failed is not None:
        error_state("It is still read as before.", failed)
    done = st.session_state.pop("reading_done", "")
    if done:
        st.success(done, icon=":material/check_circle:")
    if source == "journal":
        st.info(
            "The systemd journal says time, level, program and PID of each record itself. There is nothing to find out."
        )
        return
    with guarded("how this source is read"):
        found = agent_client().log_readings(source)
        for number, file in enumerate(found.files):
            with st.container(border=True, key=f"reading_file_{number}"):
                _file(found, file, number)


def _file(found: LogReadings, file: FileReading, number: int) -> None:
    st.markdown(f"**{plain(file.path)}**{'' if file.followed else ' :gray-badge[not followed now]'}")
    if file.reading is None:
        st.caption(plain(file.error or "It cannot be read."))
        return
    _shown(file.reading)
    if file.setting is not None:
        st.caption(f"As the setting `logs.formats` says: {coded(file.setting)}")
    _corrections(found, file, file.reading, number)


def _shown(reading: Reading) -> None:
    """The lines with their parts marked, and what is known in words."""
    for one in reading.examples:
        st.markdown(marked(one))
        if one.first and one.ts is not None:
            at = datetime.fromisoformat(one.ts)
            st.caption(f"{at.day} {at:%B %Y, %H:%M:%S} UTC")
    if not reading.examples:
        st.caption("The file has no lines yet.")
    colours = {_NAMES[kind]: colour for kind, colour in _COLOURS.items()}
    for fact in reading.facts:
        name = f":{colours[fact.name]}-background[{fact.name}]" if fact.name in colours else f"**{fact.name}**"
        st.markdown(f"{name} {plain(fact.text)}")
    if reading.headers:
        st.caption(f"{reading.headers} of the newest {reading.lines} lines begin a record.")


def marked(one: MarkedLine) -> str:
    """A line as Markdown, its parts coloured."""
    parts, at = [], 0
    for part in one.parts:
        parts += [
            plain(one.line[at : part.begin]),
            f":{_COLOURS[part.kind]}-background[{plain(one.line[part.begin : part.end])}]",
        ]
        at = part.end
    text = "".join([*parts, plain(one.line[at:])])
    return text if one.first else f":gray[↳ {text.strip()}]"


def _corrections(found: LogReadings, file: FileReading, reading: Reading, number: int) -> None:
    allowed = may_change()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for order in reading.orders:
            if order != reading.order:
                st.button(
                    _ORDERS[order],
                    key=f"reading_{number}_{order}",
                    icon=":material/calendar_month:",
                    disabled=not allowed,
                    help="Reads dates such as 03/04/2026 in this way from the next line on.",
                    on_click=_correct,
                    args=(found.source, file.named, order),
                )
        names = [_DETECT, *found.formats]
        now = reading.format if reading.by == "said" and reading.format in names else _DETECT
        chosen = st.selectbox(
            "Format",
            names,
            index=names.index(now),
            key=f"reading_{number}_format_{now}",
            format_func=lambda name: "found out from the lines" if name == _DETECT else name,
            disabled=not allowed,
            width=240,
        )
        st.button(
            "Read it so",
            key=f"reading_{number}_apply",
            type="primary",
            disabled=not allowed or (chosen == now and (chosen != _DETECT or file.setting is None)),
            on_click=_correct,
            args=(found.source, file.named, chosen),
        )
        if allowed and reading.examples:
            asked = urlencode({DESCRIBE: found.source, FILE: file.named})
            st.markdown(
                f":material/edit_note: [Describe a format](/settings?{asked})",
                help="Drafts a format of your own from these lines, on the Settings page.",
                width="content",
            )
    if not allowed:
        st.caption("Only operators can change how files are read.")
    else:
        st.caption("A correction holds for lines that come from now on. Records that are already stored do not change.")


def _correct(source: str, path: str, read_as: str) -> None:
    state = st.session_state
    if not may_change():
        state.reading_failed = operators_only("change how files are read")
        return
    try:
        agent_client().correct_reading(source, path, read_as)
    except AgentError as error:
        state.reading_failed = error
        return
    words = {_DETECT: "as its own lines show", **{name: text[:1].lower() + text[1:] for name, text in _ORDERS.items()}}
    state.reading_done = plain(f"{path} is read in this way now: {words.get(read_as, read_as)}.")
