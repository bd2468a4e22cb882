"""Which backend is used, and why: quality first, then the latency one wants, then speed that was shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ai.benchmark.stats import Interval


@dataclass(frozen=True, slots=True)
class Standing:
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


@dataclass(frozen=True, slots=True)
class Choice:
    """Backends in the order they are tried, why the first is first, and why others are not used at all."""

    order: tuple[str, ...]
    sentence: str
    excluded: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> str | None:
        """The first."""
        return self.order[0] if self.order else None


def choose(standings: Mapping[str, Standing], policy: Policy, incumbent: str | None = None) -> Choice:
    """Order the backends by the policy."""
    excluded = {name: why for name, s in standings.items() if (why := _unfit(s, policy))}
    fit = [name for name in standings if name not in excluded]
    if not fit:
        return Choice((), _none_sentence(excluded), excluded)
    ranked = sorted(fit, key=lambda name: _rank(name, standings[name], policy))
    first, why = _keep_incumbent(ranked, standings, policy, incumbent)
    order = (first, *(name for name in ranked if name != first))
    return Choice(order, _sentence(first, why, order), excluded)


def _unfit(standing: Standing, policy: Policy) -> str:
    if standing.remote and not policy.allow_remote:
        return "it would send the text to another machine, which is not allowed"
    if standing.quality is not None and standing.quality < policy.quality_floor:
        return f"its F1 of {standing.quality:.2f} is below the floor of {policy.quality_floor:.2f}"
    return ""


def _reaches(standing: Standing, policy: Policy) -> bool:
    target = policy.latency_target_s
    return target is None or (standing.latency_s is not None and standing.latency_s <= target)


def _rank(name: str, standing: Standing, policy: Policy) -> tuple[bool, bool, float, int, str]:
    quality_unknown = policy.quality_floor > 0 and standing.quality is None
    low = standing.speed.low if standing.speed is not None else 0.0
    place = policy.preferred.index(name) if name in policy.preferred else len(policy.preferred)
    return quality_unknown, not _reaches(standing, policy), -low, place, name


def _keep_incumbent(
    ranked: Sequence[str], standings: Mapping[str, Standing], policy: Policy, incumbent: str | None
) -> tuple[str, str]:
    best = ranked[0]
    if incumbent is None or incumbent not in ranked or incumbent == best:
        return best, _reason(best, ranked, standings, policy)
    old, new = standings[incumbent], standings[best]
    if _rank(incumbent, old, policy)[:2] != _rank(best, new, policy)[:2]:
        return best, _reason(best, ranked, standings, policy)
    if new.speed is not None and (old.speed is None or new.speed.low > policy.margin * old.speed.estimate):
        return best, _reason(best, ranked, standings, policy)
    return incumbent, f"it is in use and {best} has not been shown to be at least {policy.margin:.2f} times as fast"


def _reason(best: str, ranked: Sequence[str], standings: Mapping[str, Standing], policy: Policy) -> str:
    standing = standings[best]
    parts = []
    if policy.quality_floor > 0:
        if standing.quality is None:
            parts.append("its quality is not measured yet")
        else:
            parts.append(f"its F1 of {standing.quality:.2f} is above the floor of {policy.quality_floor:.2f}")
    if policy.latency_target_s is not None and standing.latency_s is not None:
        relation = "within" if _reaches(standing, policy) else "over"
        parts.append(
            f"its answers take {standing.latency_s:.1f} s, {relation} the target of {policy.latency_target_s:.1f} s"
        )
    if standing.speed is not None:
        low, high = standing.speed.low, standing.speed.high
        said = "its measured speed is {:.1f} tokens/s (95 % between {:.1f} and {:.1f})"
        if standing.unit != "tokens/s":
            said = "its measured speed is {:.2f} times the reference's (95 % between {:.2f} and {:.2f})"
        parts.append(said.format(standing.speed.estimate, low, high))
        if len(ranked) > 1:
            parts.append("the highest lower end of those left")
    if not parts:
        parts.append("nothing is measured yet and it comes first in the configured order")
    return ", ".join(parts)


def _sentence(first: str, why: str, order: Sequence[str]) -> str:
    rest = ", then ".join((*order[1:], "rules"))
    return f"{first} is used because {why}; falls back to {rest}."


def _none_sentence(excluded: Mapping[str, str]) -> str:
    if not excluded:
        return "No backend is configured; rules answer."
    reasons = "; ".join(f"{name}: {why}" for name, why in excluded.items())
    return f"No backend may be used ({reasons}); rules answer."
