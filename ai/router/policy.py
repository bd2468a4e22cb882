"""Which backend is used, and why: quality first, then the latency one wants, then speed that was shown, then the configured order.

A speed stands for a verdict of a benchmark. It orders the backends that have one among themselves; where no verdict tells two
apart, the configured order does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ai.shapes.engines import Choice
from ai.statistics.intervals import Interval


@dataclass(frozen=True, slots=True)
class Score:
    """What was measured of a backend; None = not measured.

    `quality` is the F1 on labelled postings, 0 to 1. `speed` is its speed as a ratio to one common reference, or in one common
    unit, with its interval. `latency_s` is the 95th percentile of the time to an answer.
    """

    quality: float | None = None
    speed: Interval | None = None
    latency_s: float | None = None
    measured_ts: int | None = None
    remote: bool = False
    unit: str = "tokens/s"
    """Of the speed; "×" where it is a ratio."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user wants.

    Args:
        quality_floor: F1 below which a backend is never used.
        latency_target_s: wanted time to an answer; backends that reach it come first.
        margin: a challenger replaces the incumbent only when the lower end of its speed is this much above the incumbent's.
        allow_remote: whether text may leave this machine.
        preferred: the order while nothing is measured.
    """

    quality_floor: float = 0.0
    latency_target_s: float | None = None
    margin: float = 1.05
    allow_remote: bool = False
    preferred: tuple[str, ...] = ()


def choose(scores: Mapping[str, Score], policy: Policy, incumbent: str | None = None) -> Choice:
    """Order the backends by the policy."""
    excluded = {name: why for name, s in scores.items() if (why := _unfit(s, policy))}
    fit = [name for name in scores if name not in excluded]
    if not fit:
        return Choice((), _none_sentence(excluded), excluded)
    ranked = _ranked(fit, scores, policy)
    first, why = _keep_incumbent(ranked, scores, policy, incumbent)
    order = (first, *(name for name in ranked if name != first))
    return Choice(order, _sentence(first, why, order), excluded)


def _unfit(score: Score, policy: Policy) -> str:
    if score.remote and not policy.allow_remote:
        return "it would send the text to another machine, which is not allowed"
    if score.quality is not None and score.quality < policy.quality_floor:
        return f"its F1 of {score.quality:.2f} is below the floor of {policy.quality_floor:.2f}"
    return ""


def _reaches(score: Score, policy: Policy) -> bool:
    target = policy.latency_target_s
    return target is None or (score.latency_s is not None and score.latency_s <= target)


def _class(score: Score, policy: Policy) -> tuple[bool, bool]:
    """What comes before any speed: a quality that is known, and a time to an answer as wanted."""
    return policy.quality_floor > 0 and score.quality is None, not _reaches(score, policy)


def _ranked(names: Sequence[str], scores: Mapping[str, Score], policy: Policy) -> list[str]:
    """The configured order, in which the backends with a verdict on their speed change places among themselves."""
    place = {name: at for at, name in enumerate(policy.preferred)}
    ordered: list[str] = []
    for kind in sorted({_class(scores[name], policy) for name in names}):
        mine = [name for name in names if _class(scores[name], policy) == kind]
        mine.sort(key=lambda name: (place.get(name, len(place)), name))
        shown = [(s.low, name) for name in mine if (s := scores[name].speed) is not None]
        faster = iter([name for _, name in sorted(shown, key=lambda pair: (-pair[0], mine.index(pair[1])))])
        ordered += [next(faster) if scores[name].speed is not None else name for name in mine]
    return ordered


def _keep_incumbent(
    ranked: Sequence[str], scores: Mapping[str, Score], policy: Policy, incumbent: str | None
) -> tuple[str, str]:
    best = ranked[0]
    if incumbent is None or incumbent not in ranked or incumbent == best:
        return best, _reason(best, ranked, scores, policy)
    old, new = scores[incumbent], scores[best]
    if _class(old, policy) != _class(new, policy):
        return best, _reason(best, ranked, scores, policy)
    if new.speed is not None and old.speed is not None and new.speed.low > policy.margin * old.speed.estimate:
        return best, _reason(best, ranked, scores, policy)
    return incumbent, f"it is in use and {best} has not been shown to be at least {policy.margin:.2f} times as fast"


def _reason(best: str, ranked: Sequence[str], scores: Mapping[str, Score], policy: Policy) -> str:
    score = scores[best]
    parts = []
    if policy.quality_floor > 0:
        if score.quality is None:
            parts.append("its quality is not measured yet")
        else:
            parts.append(f"its F1 of {score.quality:.2f} is above the floor of {policy.quality_floor:.2f}")
    if policy.latency_target_s is not None and score.latency_s is not None:
        relation = "within" if _reaches(score, policy) else "over"
        parts.append(
            f"its answers take {score.latency_s:.1f} s, {relation} the target of {policy.latency_target_s:.1f} s"
        )
    others = [name for name in ranked if name != best and _class(scores[name], policy) == _class(score, policy)]
    if score.speed is not None:
        low, high = score.speed.low, score.speed.high
        said = "its measured speed is {:.1f} tokens/s (95 % between {:.1f} and {:.1f})"
        if score.unit != "tokens/s":
            said = "its measured speed is {:.2f} times the reference's (95 % between {:.2f} and {:.2f})"
        parts.append(said.format(score.speed.estimate, low, high))
        beaten = [name for name in others if scores[name].speed is not None]
        if beaten:
            parts.append("the highest lower end of those that a benchmark told apart")
        if len(beaten) < len(others):
            parts.append("and the others come later in the configured order")
    elif others:
        parts.append("no benchmark has shown another to be faster and it comes first in the configured order")
    elif not parts:
        parts.append("it is the only one that can be used" if len(ranked) == 1 else "it comes first in the order")
    return ", ".join(parts)


def _sentence(first: str, why: str, order: Sequence[str]) -> str:
    rest = ", then ".join((*order[1:], "rules"))
    return f"{first} is used because {why}; falls back to {rest}."


def _none_sentence(excluded: Mapping[str, str]) -> str:
    if not excluded:
        return "No backend is configured; rules answer."
    reasons = "; ".join(f"{name}: {why}" for name, why in excluded.items())
    return f"No backend may be used ({reasons}); rules answer."
