"""Alert rules: the `[[alert]]` tables of the settings file, and the rules that are there without any.

    [[alert]]
    name = "trainer leaks"
    metric = "process.rss"
    of = "train.py"
    above = "20 GiB"
    for_s = 120

    [[alert]]
    name = "out of memory"
    records = 'level>=error "out of memory"'

    [[alert]]
    name = "half as many jobs"
    metric = "job.per_minute"
    change = "-50 %"

    [[alert]]
    name = "nightly job failed"
    fails = "nightly.py"

`docs/alerts.md` describes the keys; this module checks them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from monitor.metrics.catalogue import GPU, LIVE, RUN, Metric, Unit

Kind = Literal["metric", "records", "fails"]
KINDS: Final[tuple[Kind, ...]] = ("metric", "records", "fails")
_NAME: Final = re.compile(r"[^\W_][\w .()/:+-]{0,62}")
_AMOUNT: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*([kKMGT]?)(i?)(?:B|b)?(?:/s)?\s*%?")
_SCALE: Final = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
MARGIN: Final = 0.05
"""How far behind its threshold a value must be before an alert is over, where the rule does not say: a share of the threshold."""


@dataclass(frozen=True, slots=True)
class AlertMetric:
    """What a rule can watch. `of` says what the key of this name chooses; empty where there is nothing to choose. What happens by chance is counted over
    so many minutes; 0 for a reading that is no such count.
    """

    name: str
    label: str
    unit: Unit
    of: str = ""
    counted_min: float = 0.0


_LABELS: Final = {
    "procs_running": "running processes",
    "forks": "processes started a second",
    "ctx_switches": "context switches",
    "mem_cached": "memory, page cache",
    "swap_used": "swap, used",
    "psi_mem_full": "pressure, memory, all tasks",
    "psi_io_full": "pressure, IO, all tasks",
    "gpu.mem_used": "GPU, memory used",
    "gpu.mem_util_pct": "GPU, memory bus busy",
    "gpu.clock_sm_mhz": "GPU, clock of the cores",
    "gpu.clock_mem_mhz": "GPU, clock of the memory",
    "process.rss": "process, memory",
    "process.fds": "process, open files",
}
"""Names of metrics where that on their chart says too little."""


def _named(metric: Metric, name: str, subject: str, of: str = "") -> AlertMetric:
    """A metric of a chart; `subject` is what the chart is about."""
    label = subject if metric.label == "all" else f"{subject}, {metric.label}" if subject != metric.label else subject
    return AlertMetric(name, _LABELS.get(name, label), metric.unit, of)


def _metrics() -> dict[str, AlertMetric]:
    found = [
        AlertMetric("mem.used_pct", "memory in use", "%"),
        AlertMetric("mem.available_pct", "memory available", "%"),
        AlertMetric("swap.used_pct", "swap in use", "%"),
        AlertMetric("disk.used_pct", "space in use on a file system", "%", "mount point"),
        AlertMetric("disk.free", "space left on a file system", "bytes", "mount point"),
        AlertMetric("gpu.mem_pct", "GPU memory in use", "%", "number of the GPU"),
    ]
    subjects = {"cpu": "CPU", "disk": "disks", "operations": "disks"}
    found += [_named(one, one.name, subjects.get(one.chart, one.chart)) for one in LIVE if one.chart]
    found += [
        _named(one, f"gpu.{one.name}", "GPU", "number of the GPU")
        for one in GPU
        if one.chart and "limit" not in one.name
    ]
    process = "text in a process's command"
    found += [_named(one, f"process.{one.name}", "process", process) for one in RUN if one.chart]
    found.append(AlertMetric("process.growth_1h", "process, growth of memory a minute over an hour", "bytes", process))
    worker, source = "name of a worker", "name of a log source"
    found += [
        AlertMetric("job.per_minute", "jobs done a minute", "count", worker, 5),
        AlertMetric("job.failed_per_minute", "jobs failed a minute", "count", worker, 5),
        AlertMetric("job.in_flight", "jobs in flight", "count", worker, 1),
        AlertMetric("job.stuck", "stuck jobs", "count", worker, 1),
        AlertMetric("job.p50_s", "time that half of the jobs take at most", "s", worker),
        AlertMetric("log.errors", "errors in logs, a minute", "count", source, 1),
        AlertMetric("log.warnings", "warnings and errors in logs, a minute", "count", source, 1),
        AlertMetric("log.records", "log records a minute", "count", source, 1),
    ]
    return {metric.name: metric for metric in found}


METRICS: Final = _metrics()


class AlertRule(BaseModel):
    """One rule. Exactly one of `metric`, `records` and `fails` says what it watches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Its name.")
    metric: str | None = Field(None, description="A reading, such as cpu_pct or disk.used_pct.")
    of: str = Field("", description="Which file system, GPU or process, where the metric has several; a part of its name.", max_length=200)  # fmt: skip
    above: float | None = Field(None, description="It fires above this value.", allow_inf_nan=False)
    below: float | None = Field(None, description="It fires below this value.", allow_inf_nan=False)
    change: float | None = Field(None, description="It fires when the reading is so much above (+100 %) or below (-50 %) its usual, in percent of that.", allow_inf_nan=False)  # fmt: skip
    usual_h: float = Field(24.0, description="With change: the usual is that of so many hours.", ge=1, le=168)
    usual_days: int = Field(14, description="With change: the usual is that of this time of day, once four of so many days are known; 0: never.", ge=0, le=60)  # fmt: skip
    clear: float | None = Field(None, description="It is over on the other side of this value; 5 % from the threshold unless set.", allow_inf_nan=False)  # fmt: skip
    for_s: float = Field(60.0, description="So long without a break before it fires.", ge=0, le=86_400)
    clear_s: float = Field(60.0, description="So long on the other side before it is over.", ge=0, le=86_400)
    records: str | None = Field(None, description="A log query; each record that it finds counts.", max_length=2000)
    fails: str | None = Field(None, description="A part of a process's or service's name or command, or all of one with `*` for any text; each failure counts.", max_length=300)  # fmt: skip
    count: int = Field(1, description="So many records or failures.", ge=1, le=100_000)
    within_s: float = Field(300.0, description="In this time; it is over after as long without one.", ge=1, le=86_400)
    enabled: bool = Field(True, description="Whether it is watched.")
    notify: bool = Field(True, description="Whether a notification is sent, besides the pages.")

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "a name begins with a letter or digit, and has at most 63 letters, digits, spaces and .-_()/:+"
            )
        return name

    @field_validator("above", "below", "clear", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> Any:
        return amount(value) if isinstance(value, str) else value

    @field_validator("change", mode="before")
    @classmethod
    def _percent(cls, value: Any) -> Any:
        return amount(value.strip().removeprefix("+")) if isinstance(value, str) else value

    @field_validator("metric")
    @classmethod
    def _metric(cls, name: str | None) -> str | None:
        if name is not None and name not in METRICS:
            import difflib

            close = difflib.get_close_matches(name, METRICS, n=1)
            msg = f"there is no metric {name!r}{f'; did you mean {close[0]}?' if close else ''}"
            raise ValueError(msg)
        return name

    @field_validator("records", "fails")
    @classmethod
    def _not_empty(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("it is empty")
        return text and text.strip()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of metric, records and fails")
        bounds = [bound for bound in (self.above, self.below) if bound is not None]
        if self.metric is None:
            if bounds or self.clear is not None or self.change is not None or self.of:
                msg = f"above, below, change, clear and of belong to a metric, not to {given[0]}"
                raise ValueError(msg)
            return self
        if len(bounds) + (self.change is not None) != 1:
            raise ValueError("a metric needs one of above, below and change")
        about = METRICS[self.metric]
        if self.change is not None:
            self._fits_change(self.change)
        if self.of and not about.of:
            msg = f"{self.metric} has no parts, so that `of` has no meaning"
            raise ValueError(msg)
        if self.metric.startswith("process.") and not self.of.strip():
            raise ValueError("`of` must say which process: a part of its command")
        wrong_side = (
            self.clear is not None
            and self.change is None
            and (self.clear > bounds[0] if self.above is not None else self.clear < bounds[0])
        )
        if wrong_side:
            raise ValueError("clear lies beyond the threshold, where the alert fires")
        return self

    def _fits_change(self, change: float) -> None:
        if not change or change < -100:
            raise ValueError("change is a part of the usual, such as +100 % or -50 %")
        if self.clear is not None:
            raise ValueError("clear belongs to above and below; a change is over at half of it")
        if (self.metric or "").startswith("process."):
            raise ValueError("change cannot be told of processes, which come and go")

    @property
    def kind(self) -> Kind:
        """What it watches."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def threshold(self) -> float:
        """The value of `above` or `below`, or the percent of `change`."""
        if self.change is not None:
            return self.change
        return self.above if self.above is not None else self.below or 0.0

    @property
    def rising(self) -> bool:
        """Whether it fires above its threshold, not below."""
        return self.above is not None or (self.change or 0.0) > 0

    @property
    def unit(self) -> Unit:
        """Of its threshold and the values that are held against it."""
        return "%" if self.change is not None or self.metric is None else METRICS[self.metric].unit

    @property
    def over_at(self) -> float:
        """Where the alert is over: `clear`, or 5 % from the threshold; half of a change."""
        if self.change is not None:
            return self.change / 2
        if self.clear is not None:
            return self.clear
        away = abs(self.threshold) * MARGIN
        return self.threshold - away if self.rising else self.threshold + away


def amount(text: str) -> float:
    """A value with its unit: `20 GiB`, `512MiB`, `1.5k`, `95 %`. kB, MB, GB are powers of 1,000; KiB, MiB, GiB of 1,024.

    Raises:
        ValueError: it is none.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        msg = f"{text!r} is not a value such as 95, 20 GiB or 512 MiB"
        raise ValueError(msg)
    number, prefix, binary = found.groups()
    return float(number) * float((1024 if binary else 1000) ** _SCALE[prefix])


BUILT_IN: Final = tuple(
    AlertRule.model_validate(table)
    for table in (
        {"name": "disk full", "metric": "disk.used_pct", "above": 97, "clear": 95},
        {"name": "memory full", "metric": "mem.available_pct", "below": 4, "clear": 7},
        {"name": "GPU hot", "metric": "gpu.temp_c", "above": 92, "clear": 86},
        {"name": "service failed", "fails": "service *", "within_s": 600},
        {"name": "many errors", "metric": "log.errors", "change": 300, "usual_h": 3, "for_s": 120, "enabled": False},
        {"name": "fewer jobs", "metric": "job.per_minute", "change": -40, "usual_h": 3, "for_s": 300, "enabled": False},
        {"name": "slower jobs", "metric": "job.p50_s", "change": 50, "usual_h": 3, "for_s": 300, "enabled": False},
        {"name": "silent logs", "metric": "log.records", "change": -80, "usual_h": 3, "for_s": 300, "enabled": False},
        {"name": "busy CPU", "metric": "cpu_pct", "change": 100, "for_s": 600, "enabled": False},
        {"name": "memory grows", "metric": "mem_used", "change": 25, "for_s": 300, "enabled": False},
        {"name": "GPU memory grows", "metric": "gpu.mem_used", "change": 25, "for_s": 300, "enabled": False},
        {"name": "disks are waited for", "metric": "psi_io_some", "change": 300, "for_s": 300, "enabled": False},
        {"name": "many forks", "metric": "forks", "change": 300, "for_s": 300, "enabled": False},
        {"name": "many processes", "metric": "procs_total", "change": 50, "for_s": 300, "enabled": False},
    )
)
"""Rules that are there without settings; those that are off wait for somebody whose jobs and logs have a usual. One of the same name in the settings takes their place; one with `enabled = false` switches them off."""

TOLD_ANYWAY: Final = frozenset({"disk full", "memory full"})
"""Rules that the status of the machine tells in its own words."""


def in_force(rules: Sequence[AlertRule]) -> list[AlertRule]:
    """The rules of the settings, and those built in whose names none of them has."""
    names = {rule.name for rule in rules}
    return [*rules, *(rule for rule in BUILT_IN if rule.name not in names)]


def check_names(rules: Sequence[AlertRule]) -> None:
    """Check what rules say together.

    Raises:
        ValueError: two have the same name.
    """
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            msg = f"two alerts are named {rule.name}"
            raise ValueError(msg)
        seen.add(rule.name)


def shown_address(address: str) -> str:
    """An address for notifications without what may be secret in it: who knows the path of such an address can post there.

    >>> shown_address("https://hooks.slack.com/services/T0/B0/x"), shown_address("env:HOOK"), shown_address("http://me:pw@[::1]:8")
    ('https://hooks.slack.com/…', 'env:HOOK', 'http://[::1]:8')
    """
    if not address or address.startswith(("env:", "file:")):
        return address
    scheme, _, rest = address.partition("://")
    place = re.match(r"[^/?#\\]*", rest)
    whole = place.group() if place else ""
    if not whole.isprintable():
        return "that address"
    return f"{scheme}://{whole.rpartition('@')[2]}{'/…' if rest[len(whole) :].strip('/') else ''}"
