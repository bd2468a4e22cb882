"""How a model is loaded on this machine: as a benchmark of settings showed, once a person has taken its winner over.

Kept by model (file name and size) in the store of this machine; a machine with other cores since does not follow it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai.benchmark.model import BenchmarkReport, ContenderReport
from ai.service.candidates import Candidate, cores
from ai.service.contenders import kv_type_of
from ai.service.records import Kind, Records
from ai.types import KvType, LoadSpec

KIND: Final[Kind] = "settings"


class Won(BaseModel):
    """Settings that won. None leaves a value to the engine's own choice; `cores` is what the machine had when they were measured."""

    model_config = ConfigDict(frozen=True)

    backend: str
    model: str
    threads: int | None = Field(default=None, ge=1, le=4096)
    prompt_threads: int | None = Field(default=None, ge=1, le=4096)
    kv_type: KvType = "f16"
    benchmark: str
    sentence: str
    taken: int
    cores: int

    def applied(self, spec: LoadSpec) -> LoadSpec:
        """A specification with these settings."""
        return replace(spec, threads=self.threads, prompt_threads=self.prompt_threads, kv_type=self.kv_type)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a report shows to be faster than what is used: to be taken over, or taken already."""

    backend: str
    settings: str
    sentence: str
    threads: int | None
    prompt_threads: int | None
    kv_type: KvType
    taken: bool = False


def model_key(candidate: Candidate) -> str:
    """What tells a model from others: its name and the size of its file."""
    size = candidate.path.stat().st_size if candidate.path is not None and candidate.path.is_file() else 0
    return f"{candidate.engine}:{candidate.shown}:{size}"


class SettingsWon:
    """Keeps the winners.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def of(self, candidate: Candidate) -> Won | None:
        """What was taken over for this model and holds on this machine; reads the store."""
        value = self._records.kept(KIND).get(model_key(candidate))
        if value is None:
            return None
        try:
            won = Won.model_validate(value)
        except ValidationError:
            return None  # written by another version
        return won if won.cores == cores() else None

    def take(self, candidate: Candidate, offer: Offer, report: BenchmarkReport, now_us: int) -> Won:
        """Use what won from now on; blocks until it is kept.

        Raises:
            StoreError: it could not be kept.
        """
        won = Won(
            backend=candidate.name, model=candidate.shown, threads=offer.threads, prompt_threads=offer.prompt_threads,
            kv_type=offer.kv_type, benchmark=report.id, sentence=offer.sentence, taken=now_us, cores=cores(),
        )  # fmt: skip
        self._records.keep(KIND, model_key(candidate), won.model_dump(mode="json"))
        return won

    def forget(self, candidate: Candidate) -> bool:
        """Go back to the engine's own choice; whether there was something to go back from."""
        was = model_key(candidate) in self._records.kept(KIND)
        self._records.keep(KIND, model_key(candidate), None)
        return was


def offer_of(report: BenchmarkReport, candidates: Sequence[Candidate], won: Won | None = None) -> Offer | None:
    """What a benchmark of settings offers: the fastest of those shown to be faster than what was used; None without one."""
    if report.host.get("kind") != "settings" or report.state != "done":
        return None
    faster = sorted((c for c in report.comparisons if c.kind == "faster"), key=lambda c: -(c.low or 0.0))
    by_name = {c.name: c for c in report.contenders}
    candidate = next((c for c in candidates if c.name == report.reference), None)
    if not faster or candidate is None:
        return None
    best = by_name[faster[0].candidate]
    if best.load is None:
        return None
    words = _words(best)
    sentence = f"{faster[0].sentence} Its settings ({words}) can be used for {candidate.shown} from now on."
    kind = kv_type_of(best.load.kv_type)
    taken = won is not None and (won.threads, won.prompt_threads, won.kv_type) == (
        best.load.threads,
        best.load.prompt_threads,
        kind,
    )
    return Offer(candidate.name, words, sentence, best.load.threads, best.load.prompt_threads, kind, taken)


def words_of(won: Won) -> str:
    """The settings in words."""
    return in_words(won.threads, won.prompt_threads, won.kv_type)


def in_words(threads: int | None, prompt_threads: int | None, kv_type: str | None) -> str:
    """Settings in words: `1 thread, 2 for prompts, a cache of f16`."""
    parts = [f"{threads} thread{'s' if threads != 1 else ''}"] if threads else []
    parts += [f"{prompt_threads} for prompts"] if prompt_threads and prompt_threads != threads else []
    return ", ".join([*parts, f"a cache of {kv_type or 'f16'}"])


def _words(contender: ContenderReport) -> str:
    load = contender.load
    return in_words(load.threads, load.prompt_threads, load.kv_type) if load else contender.name
