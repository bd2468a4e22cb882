"""The fastest settings for a model on this machine, searched at a person's word in about 15 seconds: threads, cache, flash attention, batch."""

import json
import logging
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai.core.errors import BackendDown
from ai.core.types import KvType
from ai.worker.probing import ProbeError, run_probe
from ai.worker.threads import QUIET, counts_up_to

log = logging.getLogger("watchkeeper.ai")
_DEADLINE_S: Final = 120.0
"""With the time to load a large model; the search itself ends by its own clock."""


class TunedSettings(BaseModel):
    """How a model is loaded. None leaves a value to llama.cpp; `batch` is how many tokens of a prompt are read at once."""

    model_config = ConfigDict(frozen=True)

    threads: int = Field(ge=1, le=4096)
    prompt_threads: int = Field(ge=1, le=4096)
    batch: int | None = Field(default=None, ge=1, le=65_536)
    flash_attention: bool | None = None
    kv_type: KvType = "f16"


class Rates(BaseModel):
    """Tokens a second: generated, and read of a prompt."""

    model_config = ConfigDict(frozen=True)

    generate: float = Field(gt=0)
    read: float = Field(gt=0)


class TriedSettings(TunedSettings):
    """A row of the search: what was varied, and its rates; None was not measured."""

    kind: str
    generate: float | None = None
    read: float | None = None


class Tuning(BaseModel):
    """What a search found: the best settings, and the ones in use and the best measured in turn. `neighbours`: cores that others used meanwhile."""

    model_config = ConfigDict(frozen=True)

    best: TunedSettings
    rows: list[TriedSettings] = Field(max_length=200)
    before: Rates
    after: Rates
    neighbours: float | None = None
    seconds: float

    @property
    def quiet(self) -> bool:
        """Whether the machine had nothing else to do."""
        return self.neighbours is None or self.neighbours <= QUIET


def tune(model: Path, before: TunedSettings, most: int, effort: float = 1.0) -> Tuning:
    """Search; blocks.

    Args:
        model: a GGUF file.
        before: the settings in use.
        most: threads to try at most.
        effort: the part of the usual time to take.

    Raises:
        BackendDown: it could not be measured; the message says why.
    """
    plan = json.dumps({"before": before.model_dump(), "counts": counts_up_to(most), "effort": effort})
    try:
        return Tuning.model_validate_json(run_probe("ai.worker.engines.tune_probe", [str(model), plan], _DEADLINE_S))
    except (ProbeError, ValidationError) as error:
        why = str(error)[:200].rstrip(".")
        log.warning("the settings of a model could not be measured: %s", why)
        raise BackendDown(f"The settings could not be measured here: {why}.", hint="The ones in use stay.") from error
