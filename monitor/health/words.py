"""What rules and alerts say, in words."""

from monitor.config.alerts import METRICS, AlertRule
from monitor.core.exit_words import size_words
from monitor.metrics.catalogue import Unit


def in_unit(value: float | None, unit: Unit | str) -> str:
    """A value with its unit, short.

    >>> in_unit(20e9, "bytes"), in_unit(97.25, "%"), in_unit(None, "%")
    ('18.6 GiB', '97.2 %', 'unknown')
    """
    if value is None:
        return "unknown"
    if unit in {"bytes", "bytes/s"}:
        sign, per = "-" if value < 0 else "", unit.removeprefix("bytes")
        return f"{sign}{size_words(int(abs(value)))}{per}"
    number = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.1f}"
    return f"{number}{'' if unit in {'count', 'load'} else f' {unit}'}"


def lasting(seconds: float) -> str:
    """A length of time in words."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


def told(rule: AlertRule) -> str:
    """What a rule watches.

    >>> told(AlertRule(name="x", metric="cpu_pct", above=90))
    'CPU above 90 % for 1 min'
    >>> told(AlertRule(name="x", metric="job.per_minute", of="mail", change=-50))
    'jobs done a minute of mail: 50 % below the usual of 24 h for 1 min'
    """
    if rule.metric is not None:
        about = METRICS[rule.metric]
        side = "above" if rule.rising else "below"
        which = f" of {rule.of}" if rule.of else ""
        time = f" for {lasting(rule.for_s)}" if rule.for_s else ""
        if rule.change is not None:
            return (
                f"{about.label}{which}: {in_unit(abs(rule.change), '%')} {side} the usual of {rule.usual_h:g} h{time}"
            )
        return f"{about.label}{which} {side} {in_unit(rule.threshold, about.unit)}{time}"
    often = f"{rule.count} times within {lasting(rule.within_s)}" if rule.count > 1 else ""
    what = f"log records like {rule.records}" if rule.records is not None else f"failures of {rule.fails}"
    return f"{what}{', ' if often else ''}{often}"


def fired(rule: AlertRule, subject: str, value: float | None, usual: str = "") -> str:
    """What is wrong when a rule with a metric fires. `usual`: of which time the usual is, with `change`."""
    about = METRICS[rule.metric or ""]
    side = "above" if rule.rising else "below"
    whose = f"{subject}: " if subject else ""
    time = f" for {lasting(rule.for_s)}" if rule.for_s else ""
    if rule.change is not None:
        return f"{whose}{about.label}, {in_unit(abs(value or 0.0), '%')} {side} the usual of {usual}{time}"
    return f"{whose}{about.label} at {in_unit(value, about.unit)}, {side} {in_unit(rule.threshold, about.unit)}{time}"
