"""How a model is loaded on this machine, once a person has adopted the fastest settings of a benchmark.

Kept by model (file name and size); they no longer apply when the machine has another number of cores.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai.core.types import KvType, LoadSpec
from ai.service.benchmarks.contenders import kv_type_of
from ai.service.context.candidates import Candidate, cores
from ai.service.context.records import Kind, Records
from ai.shapes.report import BenchmarkReport, ContenderReport, Offer

KIND: Final[Kind] = "settings"


class AdoptedSettings(BaseModel):
    """Settings that a benchmark, or a search (`benchmark` empty), showed to be faster. None leaves a value to the engine's own choice; `cores` is what
    the machine had when they were measured.
    """

    model_config = ConfigDict(frozen=True)

    backend: str
    model: str
    threads: int | None = Field(default=None, ge=1, le=4096)
    prompt_threads: int | None = Field(default=None, ge=1, le=4096)
    kv_type: KvType = "f16"
    batch: int | None = Field(default=None, ge=1, le=65_536)
    flash_attention: bool | None = None
    benchmark: str
    sentence: str
    taken: int
    cores: int

    def applied(self, spec: LoadSpec) -> LoadSpec:
        """A specification with these settings."""
        return replace(
            spec, threads=self.threads, yields=True, prompt_threads=self.prompt_threads, kv_type=self.kv_type, batch=self.batch,
            flash_attention=self.flash_attention,
        )  # fmt: skip


def model_key(candidate: Candidate) -> str:
    """What tells a model from others: its name and the size of its file."""
    size = candidate.path.stat().st_size if candidate.path is not None and candidate.path.is_file() else 0
    return f"{candidate.engine}:{candidate.shown}:{size}"


class AdoptedSettingsStore:
    """Keeps adopted settings by model.

    Args:
        records: where they are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def of(self, candidate: Candidate) -> AdoptedSettings | None:
        """The settings adopted for this model, if they hold on this machine; reads the records."""
        value = self._records.kept(KIND).get(model_key(candidate))
        if value is None:
            return None
        try:
            adopted = AdoptedSettings.model_validate(value)
        except ValidationError:
            return None  # written by another version
        return adopted if adopted.cores == cores() else None

    def take(self, candidate: Candidate, offer: Offer, report: BenchmarkReport, now_us: int) -> AdoptedSettings:
        """Adopt what was offered; blocks until it is kept.

        Raises:
            RecordsError: it could not be kept.
        """
        adopted = AdoptedSettings(
            backend=candidate.name, model=candidate.shown, threads=offer.threads, prompt_threads=offer.prompt_threads,
            kv_type=offer.kv_type, benchmark=report.id, sentence=offer.sentence, taken=now_us, cores=cores(),
        )  # fmt: skip
        return self.keep(candidate, adopted)

    def keep(self, candidate: Candidate, adopted: AdoptedSettings) -> AdoptedSettings:
        """Use these settings for this model from now on; blocks until they are kept.

        Raises:
            RecordsError: they could not be kept.
        """
        self._records.keep(KIND, model_key(candidate), adopted.model_dump(mode="json"))
        return adopted

    def forget(self, candidate: Candidate) -> bool:
        """Go back to the engine's own choice; whether there was something to go back from."""
        was = model_key(candidate) in self._records.kept(KIND)
        self._records.keep(KIND, model_key(candidate), None)
        return was


def offer_of(
    report: BenchmarkReport, candidates: Sequence[Candidate], adopted: AdoptedSettings | None = None
) -> Offer | None:
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
    taken = adopted is not None and (adopted.threads, adopted.prompt_threads, adopted.kv_type) == (
        best.load.threads,
        best.load.prompt_threads,
        kind,
    )
    return Offer(
        backend=candidate.name, settings=words, sentence=sentence, threads=best.load.threads, prompt_threads=best.load.prompt_threads,
        kv_type=kind, taken=taken,
    )  # fmt: skip


def words_of(adopted: AdoptedSettings) -> str:
    """The settings in words."""
    parts = [in_words(adopted.threads, adopted.prompt_threads, adopted.kv_type)]
    parts += (
        [f"flash attention {'on' if adopted.flash_attention else 'off'}"] if adopted.flash_attention is not None else []
    )
    parts += [f"batches of {adopted.batch}"] if adopted.batch is not None else []
    return ", ".join(parts)


def in_words(threads: int | None, prompt_threads: int | None, kv_type: str | None) -> str:
    """Settings in words: `1 thread, 2 for prompts, a cache of f16`."""
    parts = [f"{threads} thread{'s' if threads != 1 else ''}"] if threads else []
    parts += [f"{prompt_threads} for prompts"] if prompt_threads and prompt_threads != threads else []
    return ", ".join([*parts, f"a cache of {kv_type or 'f16'}"])


def _words(contender: ContenderReport) -> str:
    load = contender.load
    return in_words(load.threads, load.prompt_threads, load.kv_type) if load else contender.name
