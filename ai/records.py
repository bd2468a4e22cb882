"""Rows of the AI tables (`ai_calls`, `benchmark_runs`, `benchmark_samples`, `ai_kept`; `monitor/store/schema`), as Arrow tables.

Times are microseconds since the epoch, UTC; durations seconds; sizes bytes; None is not available.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa

_TS: Final = pa.timestamp("us")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One try of one request with one backend. `outcome` is `answered` or the error's class name.

    `call` is the same for all tries of a request, `attempt` counts them from 1; `explanation` says why this backend.
    """

    call: str
    attempt: int
    ts: int
    purpose: str
    backend: str
    engine: str
    model: str
    outcome: str
    message: str
    total_s: float
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    tokens_per_s_origin: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class BenchmarkRunRecord:
    """One benchmark: its plan, its verdicts and everything else as JSON (`report`)."""

    benchmark: str
    started: int
    ended: int
    state: str
    reference: str
    backends: str
    verdict: str
    blocks: int
    flagged: int
    replay_of: str | None
    manifest_sha256: str
    report: str


@dataclass(frozen=True, slots=True)
class BenchmarkSampleRecord:
    """One measurement. `used` is false when `flags` made it unfit; the raw figures stay."""

    benchmark: str
    ts: int
    block: int
    position: int
    backend: str
    batch: int
    prompt: str
    used: bool
    flags: str
    total_s: float | None
    ttft_s: float | None
    tokens_per_s: float | None
    tokens_per_s_origin: str | None
    prompt_tokens_per_s: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    energy_j: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """Something to be known again after a restart: `value` is JSON, one row a kind and name."""

    kind: str
    name: str
    ts: int
    value: str


_CALLS: Final = pa.schema(
    [
        ("host", pa.string()), ("ts", _TS), ("call", pa.string()), ("attempt", pa.int32()), ("purpose", pa.string()), ("backend", pa.string()),
        ("engine", pa.string()), ("model", pa.string()), ("outcome", pa.string()), ("message", pa.string()), ("total_s", pa.float64()),
        ("ttft_s", pa.float64()), ("tokens_per_s", pa.float64()), ("tokens_per_s_origin", pa.string()), ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()), ("explanation", pa.string()),
    ]
)  # fmt: skip
_RUNS: Final = pa.schema(
    [
        ("host", pa.string()), ("benchmark", pa.string()), ("started", _TS), ("ended", _TS), ("state", pa.string()), ("reference", pa.string()),
        ("backends", pa.string()), ("verdict", pa.string()), ("blocks", pa.int32()), ("flagged", pa.int32()), ("replay_of", pa.string()),
        ("manifest_sha256", pa.string()), ("report", pa.string()),
    ]
)  # fmt: skip
_SAMPLES: Final = pa.schema(
    [
        ("host", pa.string()), ("benchmark", pa.string()), ("ts", _TS), ("block", pa.int32()), ("position", pa.int32()), ("backend", pa.string()),
        ("batch", pa.int32()), ("prompt", pa.string()), ("used", pa.bool_()), ("flags", pa.string()), ("total_s", pa.float64()),
        ("ttft_s", pa.float64()), ("tokens_per_s", pa.float64()), ("tokens_per_s_origin", pa.string()), ("prompt_tokens_per_s", pa.float64()),
        ("prompt_tokens", pa.int32()), ("completion_tokens", pa.int32()), ("energy_j", pa.float64()), ("error", pa.string()),
    ]
)  # fmt: skip


_KEPT: Final = pa.schema(
    [("host", pa.string()), ("kind", pa.string()), ("name", pa.string()), ("ts", _TS), ("value", pa.string())]
)
KEPT_KEYS: Final = ("host", "kind", "name")


def calls_table(host: str, calls: Sequence[CallRecord]) -> pa.Table:
    """Rows of `ai_calls`."""
    return _table(host, calls, _CALLS)


def runs_table(host: str, runs: Sequence[BenchmarkRunRecord]) -> pa.Table:
    """Rows of `benchmark_runs`."""
    return _table(host, runs, _RUNS)


def samples_table(host: str, samples: Sequence[BenchmarkSampleRecord]) -> pa.Table:
    """Rows of `benchmark_samples`."""
    return _table(host, samples, _SAMPLES)


def kept_table(host: str, rows: Sequence[KeptRecord]) -> pa.Table:
    """Rows of `ai_kept`."""
    return _table(host, rows, _KEPT)


def _table(host: str, rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{"host": host, **asdict(row)} for row in rows], schema=schema)
