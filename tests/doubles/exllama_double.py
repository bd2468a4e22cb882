"""The real worker with a stand-in for exllamav2 or exllamav3 that needs no GPU.

Words and the white space between them are its tokens, its cache has pages of 256, V2's tokenizer cuts texts unless that is turned off, and its model answers
from what its generator was given to read: the employer at the beginning of a posting, the pay at the end. `reads` in the model's `config.json`: no more than
so many tokens of a prompt, and an honest count of them.
"""

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

from ai.discovery.packages import Pieces
from ai.worker.messages import Loaded, WorkerConfig

PAGE = 256
CUT = 64
END = 0
TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
EMPLOYER = re.compile(r"(\w+ Robotics) is hiring")
PAY = re.compile(r"Salary: (\d+) EUR per year")


class Tokenizer:
    """Words, numbered as they come."""

    def __init__(self, config: Any = None) -> None:
        self.eos_token_id = END
        self.reads = json.loads((Path(config.folder) / "config.json").read_text()).get("reads")
        self._words = ["</s>"]
        self._cuts = True
        self.tokenizer_model = types.SimpleNamespace(hf_tokenizer=self)

    @classmethod
    def from_config(cls, config: Any) -> "Tokenizer":
        """How V3 makes it: it turns off the cutting itself."""
        made = cls(config)
        made.no_truncation()
        return made

    def no_truncation(self) -> None:
        """As the tokenizers package names it."""
        self._cuts = False

    def no_padding(self) -> None:
        """It never fills up."""

    def encode(self, text: str, *, add_bos: bool, encode_special_tokens: bool) -> list[list[int]]:  # noqa: ARG002 - the package's
        """A batch of one."""
        words = TOKEN.findall(text)
        self._words += sorted(set(words) - set(self._words))
        number = {word: at for at, word in enumerate(self._words)}
        return [[number[word] for word in words][: CUT if self._cuts else None]]

    def decode(self, ids: list[int]) -> str:
        """The text again."""
        return "".join(self._words[at] for at in ids)


class Job:
    """Keeps what it was made of."""

    def __init__(self, **given: Any) -> None:
        self.given = given
        self.ids: list[int] = given["input_ids"][0]


class Generator:
    """One answer a turn, made of what was read."""

    beyond = 0
    """Tokens beside prompt and answer for which there must be pages."""

    def __init__(self, model: Any, cache: Any, tokenizer: Tokenizer, **_: Any) -> None:
        self._model, self._cache, self._tokenizer = model, cache, tokenizer
        self._jobs: list[Job] = []

    def warmup(self) -> None:
        """Nothing to warm."""

    def enqueue(self, job: Job) -> None:
        """As the packages refuse what has no room."""
        pages = -(-(len(job.ids) + job.given["max_new_tokens"] + self.beyond) // PAGE)
        have = self._cache // PAGE
        assert pages <= have, f"Job requires {pages} pages (only {have} available) and cannot be enqueued."
        self._jobs.append(job)

    def cancel(self, job: Job) -> None:
        """End a job."""
        self._jobs.remove(job)

    def num_remaining_jobs(self) -> int:
        """How many."""
        return len(self._jobs)

    def iterate(self) -> list[dict[str, Any]]:
        """The answers to all."""
        results = []
        for job in self._jobs:
            ids = job.ids[: self._tokenizer.reads]
            results.append(
                {"identifier": job.given["identifier"], "text": answer(self._tokenizer.decode(ids)), "eos": True, "eos_reason": "stop_token",
                 "prompt_tokens": len(ids), "new_tokens": 1, "cached_tokens": 0, "time_enqueued": 0.0, "time_prefill": 0.1, "time_generate": 0.1}
            )  # fmt: skip
        self._jobs.clear()
        return results


class GeneratorV3(Generator):
    """Wants pages for one token more."""

    beyond = 1


def answer(read: str) -> str:
    """What a posting says of employer and pay, as far as it was read."""
    employer, pay = EMPLOYER.search(read), PAY.search(read)
    said: dict[str, Any] = dict.fromkeys(
        ("title", "remote_policy", "employment_type", "seniority", "salary_max", "years_experience", "education", "summary")
    )  # fmt: skip
    lists: dict[str, Any] = {
        name: [] for name in ("locations", "skills_required", "skills_preferred", "languages", "red_flags")
    }
    found = {
        "company": employer and employer.group(1),
        "salary_min": pay and int(pay.group(1)),
        "salary_currency": pay and "EUR",
        "salary_period": pay and "year",
    }
    return json.dumps(said | lists | found)


def module(name: str, **parts: Any) -> Any:
    """A module of that name, for imports to find."""
    made = types.ModuleType(name)
    vars(made).update(parts)
    sys.modules[name] = made
    return made


def anything(*_: Any, **__: Any) -> Any:
    """Something that takes what it is given, and does nothing."""
    return types.SimpleNamespace(load_autosplit=anything, load=anything, arch_compat_overrides=anything)


def stand_in() -> None:
    """Put the packages where the worker's engine looks for them."""
    cuda = types.SimpleNamespace(
        OutOfMemoryError=MemoryError, is_available=lambda: False, device_count=lambda: 0, memory_reserved=lambda _: 0
    )
    module("torch", tensor=lambda data, **_: data, long="long", cuda=cuda)
    module("lmformatenforcer", TokenEnforcer=anything, JsonSchemaParser=anything)
    module("lmformatenforcer.integrations")
    module("lmformatenforcer.integrations.exllamav2", build_token_enforcer_tokenizer_data=anything)
    sampler = types.SimpleNamespace(Settings=anything)
    generator = module(
        "exllamav2.generator", ExLlamaV2DynamicGenerator=Generator, ExLlamaV2DynamicJob=Job, ExLlamaV2Sampler=sampler
    )
    module("exllamav2.generator.filters", ExLlamaV2Filter=type("Filter", (), {"__init__": lambda *_: None}))
    module(
        "exllamav2", generator=generator, ExLlamaV2=anything, ExLlamaV2Tokenizer=Tokenizer,
        ExLlamaV2Config=lambda folder: types.SimpleNamespace(folder=folder, arch_compat_overrides=anything),
        ExLlamaV2Cache=lambda _, *, max_seq_len, lazy: max_seq_len,  # noqa: ARG005 - the package's
    )  # fmt: skip
    module(
        "exllamav3", Generator=GeneratorV3, Job=Job, ComboSampler=anything, LLGuidanceFilter=anything, Tokenizer=Tokenizer,
        Config=types.SimpleNamespace(from_directory=lambda folder: types.SimpleNamespace(folder=folder)),
        Model=types.SimpleNamespace(from_config=anything), Cache=lambda _, *, max_num_tokens: max_num_tokens,
    )  # fmt: skip


def main() -> int:
    """The worker's own program."""
    from ai.worker.engines import exllama
    from ai.worker.engines import main as worker

    stand_in()
    exllama.exllama_pieces = lambda _: Pieces("0", (), ())  # type: ignore[assignment]
    load = exllama.load

    def loaded(config: WorkerConfig) -> Loaded:
        found = load(config)
        assert Path(config.socket).is_socket(), "it would say that it is ready, and nobody could ask it"
        return found

    exllama.load = loaded
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
