"""What a benchmark measures besides pairs: lengths of prompts and answers, requests at the same time, requests a second."""

from dataclasses import replace

from pydantic import Field

from ai.core.types import KvType, LoadSpec, Origin, Shape


class Slo(Shape):
    """What a user calls good enough: a request within all of them counts as goodput. Seconds; `total_s` None sets no limit."""

    first_token_s: float = Field(default=2.0, gt=0, le=600)
    per_token_s: float = Field(default=0.2, gt=0, le=60)
    total_s: float | None = Field(default=None, gt=0, le=3600)


class OwnPrompt(Shape):
    """A prompt of the user's own."""

    name: str = Field(min_length=1, max_length=60)
    text: str = Field(min_length=1, max_length=200_000)


class EngineSettings(Shape):
    """How an embedded engine is loaded to be measured; None leaves a value as it is used."""

    threads: int | None = Field(default=None, ge=1, le=4096)
    flash_attention: bool | None = None
    gpu_layers: int | None = Field(default=None, ge=0, le=10_000)
    kv_type: KvType | None = None

    def words(self) -> str:
        """The settings that are set, in words."""
        parts = [f"{self.threads} thread{'s' if self.threads != 1 else ''}"] if self.threads is not None else []
        parts += (
            ["flash attention" if self.flash_attention else "no flash attention"]
            if self.flash_attention is not None
            else []
        )
        parts += [f"{self.gpu_layers} layers on the GPU"] if self.gpu_layers is not None else []
        parts += [f"{self.kv_type} cache"] if self.kv_type is not None else []
        return ", ".join(parts) or "as it is used"

    def applied(self, spec: LoadSpec) -> LoadSpec:
        """A specification with these settings."""
        given = {key: value for key, value in dict(self).items() if value is not None}
        if self.threads is not None:
            given["yields"] = False
        return replace(spec, **given)


class Length(Shape):
    """A test of one length, in tokens: `prompt` are read, `answer` are generated, after `depth` that the engine has read already.

    No answer: reading alone is measured. No prompt: generating alone.
    """

    prompt: int = Field(default=0, ge=0, le=1_000_000)
    answer: int = Field(default=0, ge=0, le=16_384)
    depth: int = Field(default=0, ge=0, le=1_000_000)

    @property
    def name(self) -> str:
        """As llama-bench writes it: `pp512`, `tg128`, `pp512+tg128`, `tg128 @ d4096`."""
        parts = [f"pp{self.prompt}"] if self.prompt else []
        parts += [f"tg{self.answer}"] if self.answer else []
        return "+".join(parts or ["nothing"]) + (f" @ d{self.depth}" if self.depth else "")

    @property
    def context(self) -> int:
        """Tokens of context that it needs."""
        return self.prompt + self.answer + self.depth


class LengthRow(Shape):
    """A test of one length on one engine: rates in tokens/s as mean and standard deviation, times in seconds as medians.

    `prompt_tokens` are those that the engine counted. `warm_first_token_s` is of the same prompt sent again. None: not measurable, `note` says why.
    """

    test: str
    length: Length
    n: int
    prompt_tokens: int | None = None
    prompt_rate: float | None = None
    prompt_deviation: float | None = None
    prompt_origin: Origin = "measured"
    rate: float | None = None
    deviation: float | None = None
    first_token_s: float | None = None
    warm_first_token_s: float | None = None
    total_s: float | None = None
    note: str = ""


class LoadFigures(Shape):
    """Many requests: `tokens_per_s` of all together, `good` of `requests` within the limits (`Slo`), and so many good ones a second.

    `first_answer_p95_s`: seconds to the first token behind the thoughts of a model that reasons first; None of others, and where its thoughts never ended.
    """

    tokens_per_s: float | None
    goodput_rps: float | None
    good: int
    requests: int
    failed: int = 0
    seconds: float | None = None
    ttft_p50_s: float | None = None
    ttft_p95_s: float | None
    first_answer_p95_s: float | None = None
    total_p50_s: float | None = None
    total_p95_s: float | None = None
    origin: Origin = "measured"
    note: str = ""


class BatchRow(LoadFigures):
    """So many requests at the same time."""

    batch: int


class RateRow(LoadFigures):
    """So many requests a second, at random times. `kept_up`: as many were answered as came, without a growing queue."""

    rate: float
    kept_up: bool
