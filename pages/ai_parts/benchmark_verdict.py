"""The verdict of a benchmark in words, and its figures."""

import re
from typing import Final

import streamlit as st

from monitor.api_models import ai as ai_models
from pages.shared.agent import plain
from pages.ui.numbers import NONE, moment, size

_COLOURS: Final = {"faster": "green", "slower": "green", "not shown": "blue"}
_TITLES: Final = {
    "engines": "engines",
    "settings": "two settings of one engine",
    "variants": "settings of one engine",
    "self-check": "an engine against itself",
}
_BOUNDS: Final = re.compile(r".*?\([^()]*\d+ % [^()]*\)[.:;,]?(?= )")
"""A sentence until the end of its interval."""
_FEW: Final = 2
"""Notes that are read without a click."""
FIGURES: Final = (
    ("first_token", "First token", 1e3, "ms", 0),
    ("first_answer", "First token after thoughts", 1.0, "s", 2),
    ("generation", "Generation", 1.0, "tokens/s", 1),
    ("prompt", "Prompt", 1.0, "tokens/s", 0),
    ("total", "Full answer", 1.0, "s", 2),
    ("load_cold", "Cold load", 1.0, "s", 1),
    ("energy", "Energy", 1.0, "J/token", 2),
)


def verdict(report: ai_models.FullReport) -> None:
    """The verdict, then the hypothesis, then the caveats."""
    with st.container(border=True, key="verdict"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Verdict" if report.plan.pairs else "Result", anchor=False, width="content")
            st.caption(plain(_circumstances(report)), width="content")
        _sentence(report)
        for comparison in report.comparisons[: 1 if len(report.comparisons) == 1 else 0]:
            if not comparison.comparable:
                st.caption(plain(f"Not like for like: {'; '.join(comparison.because)}."))
            elif comparison.unknown and report.host.get("kind") == "engines":
                st.caption(plain(f"Not known to be equal: {', '.join(comparison.unknown)}."))
        if report.hypothesis.sentence:
            st.markdown(f":material/science: **Hypothesis of the plan.** {plain(report.hypothesis.sentence)}")
        _notes(report.notes)
        if len(report.comparisons) > 1:
            with st.expander("Every comparison in words"):
                for comparison in report.comparisons:
                    st.markdown(f"- {plain(comparison.sentence)}")


def _notes(notes: list[str]) -> None:
    """How it was measured, in sentences; many of them would push the figures off the screen."""
    if len(notes) <= _FEW:
        for note in notes:
            st.caption(plain(note))
        return
    with st.expander(f"{len(notes)} notes on how it was measured"):
        st.markdown("\n".join(f"- {plain(note)}" for note in notes))


def _sentence(report: ai_models.FullReport) -> None:
    """The verdict, or that there were too few clean measurements for one."""
    if report.comparisons and all(c.high is None for c in report.comparisons):
        st.markdown("### :orange[No result: too few usable pairs.]")
        st.markdown(plain(report.sentence))
        return
    kinds = [c.kind for c in report.comparisons]
    colour = (
        "orange" if report.state != "done" else next((_COLOURS[k] for k in ("faster", "slower") if k in kinds), "blue")
    )
    said = _BOUNDS.match(report.sentence)
    first = said[0] if said else report.sentence
    st.markdown(f"### :{colour}[{plain(first)}] {plain(report.sentence[len(first) :].strip())}".rstrip())


def _circumstances(report: ai_models.FullReport) -> str:
    checks = (
        "A/A check passed"
        if report.self_checks and all(c.passed for c in report.self_checks)
        else "A/A check failed"
        if report.self_checks
        else ""
    )
    flagged = sum(c.flagged for c in report.contenders)
    main = ", ".join(report.flags)
    dropped = f"{flagged} disturbed measurements ({main})" if flagged else "no disturbed measurements"
    kind = _TITLES.get(str(report.host.get("kind", "")), "")
    parts = [
        moment(report.started),
        kind,
        f"{report.blocks} pairs" if report.plan.pairs else f"{len(report.samples)} requests",
        f"{(report.ended - report.started) / 1e6:.0f} s",
        checks,
        dropped,
    ]
    return " · ".join(part for part in parts if part)


def figures(report: ai_models.FullReport) -> None:
    """A column of figures for each contender: value, spread, and origin."""
    rows = [
        "| Metric | " + " | ".join(plain(c.name) for c in report.contenders) + " |",
        "|:--|" + "--:|" * len(report.contenders),
    ]
    rows.append("| Model | " + " | ".join(plain(_model(c)) for c in report.contenders) + " |")
    for key, label, factor, unit, digits in FIGURES:
        if not any(key in c.metrics for c in report.contenders) and (key == "first_answer" or not report.plan.pairs):
            continue
        rows.append(
            f"| {label} | "
            + " | ".join(_cell(c.metrics.get(key), factor, unit, digits) for c in report.contenders)
            + " |"
        )
    rows.append("| Peak memory | " + " | ".join(_memory(c) for c in report.contenders) + " |")
    if any(c.quality for c in report.contenders):
        rows.append("| Quality (F1) | " + " | ".join(_quality(c.quality) for c in report.contenders) + " |")
    rows += (
        [f"| State | {' | '.join(plain(c.unusable) or 'measured' for c in report.contenders)} |"]
        if any(c.unusable for c in report.contenders)
        else []
    )
    st.markdown("\n".join(rows))
    noted = {
        f"{c.name}: {metric.note}": None
        for c in report.contenders
        for key, *_ in FIGURES
        if (metric := c.metrics.get(key)) and metric.value is not None and metric.note
    }
    for note in noted:
        st.caption(plain(f"† {note}."))
    if not report.plan.pairs:
        return
    st.caption(
        "Medians over all pairs. Grey: the 95th percentile, or why there is no value. Measured on this machine unless stated otherwise."
    )


def _model(contender: ai_models.ContenderReport) -> str:
    load = contender.load
    return f"{load.model} {load.quantization or ''} · {load.device}".strip(" ·") if load else NONE


def _cell(metric: ai_models.Metric | None, factor: float, unit: str, digits: int) -> str:
    if metric is None or metric.value is None:
        why = metric.note.partition(":")[0] if metric is not None else "no clean measurement"
        return f":gray[{plain(why or 'not measurable')}]"
    spread = f" :gray[p95 {metric.p95 * factor:,.{digits}f}]" if metric.p95 is not None else ""
    origin = f" :gray[{metric.origin}]" if metric.origin != "measured" else ""
    note = " †" if metric.note else ""
    return f"{metric.value * factor:,.{digits}f} {unit}{spread}{origin}{note}"


def _memory(contender: ai_models.ContenderReport) -> str:
    for key in ("vram", "memory_peak"):
        metric = contender.metrics.get(key)
        if metric is not None and metric.value:
            predicted = contender.metrics.get("memory_predicted")
            more = f" :gray[predicted {size(predicted.value)}]" if predicted and predicted.value else ""
            return f"{size(metric.value)}{more}"
    return ":gray[not measurable]"


def _quality(quality: ai_models.QualityRow | None) -> str:
    if quality is None:
        return ":gray[not measured]"
    return f"{quality.f1_micro:.2f} :gray[{quality.f1_low:.2f} to {quality.f1_high:.2f} on {quality.items}]"


def quality_table(report: ai_models.FullReport) -> None:
    """The quality on the labelled postings."""
    rows = ["| Back end | Valid | Field F1 | Evidence | Empty when absent | Repeatable |", "|:--|--:|--:|--:|--:|--:|"]
    for contender in report.contenders:
        q = contender.quality
        if q is None:
            continue
        again = f"{q.stability:.2f}" if q.stability is not None else NONE
        rows.append(
            f"| {plain(contender.name)} | {100 * q.schema_valid_rate:.0f} % | {q.f1_micro:.2f} :gray[{q.f1_low:.2f} to {q.f1_high:.2f}] | "
            f"{q.evidence_rate:.2f} | {q.null_when_absent:.2f} | {again} |"
        )
    st.markdown("\n".join(rows))
