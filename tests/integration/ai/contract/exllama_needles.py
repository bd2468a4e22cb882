"""Whether all of a prompt reaches the model, through the real generators of exllamav2 and exllamav3 (run by `exllama_checks.py`).

Our engine, generation thread, chat server and client are whole; configuration, tokenizer, cache, page table, queue, chunks of the prompt and counts are the
package's own. Only the model's arithmetic is left out: what it is given to read is written down, and it answers with the end of its turn.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import torch

from ai.backends.openai.request import FLAVOURS
from ai.backends.openai.stream import OpenAIWire
from ai.core.errors import BackendError, ContextOverflow
from ai.core.types import Chunk, Final, GenRequest, Message
from ai.worker.engines.chat_server import ChatServer
from ai.worker.engines.chat_template import ChatTemplate
from ai.worker.engines.generation import GenerationThread
from tests.waiting import patient

FIRST, LAST = "needle of the employer: ", " the last needle pays 54,321 euros"
END = 2
"""The tiny model's `</s>`."""


class Reader:
    """Stands where the model computes: token at each place of each sequence, a sequence being known by its first page."""

    def __init__(self) -> None:
        self.read: dict[int, dict[int, int]] = {}
        self.longest = 0
        self.fault: Exception | None = None

    def take(self, ids: torch.Tensor, first_pages: list[int], places: list[int]) -> None:
        """What a forward pass is given: a row for each sequence, and the place where it begins."""
        if self.fault is not None:
            raise self.fault
        self.longest = max(self.longest, ids.shape[-1])
        for row, page, place in zip(ids.tolist(), first_pages, places, strict=True):
            self.read.setdefault(page, {}).update(enumerate(row, place))

    def sequences(self) -> list[list[int]]:
        """The tokens of each sequence, from the first on. A place that was left out fails."""
        found = []
        for known in self.read.values():
            assert sorted(known) == list(range(len(known))), "a part of the sequence was never read"
            found.append([known[place] for place in range(len(known))])
        return found


def engine_v2(folder: Path, context: int, parallel: int, *, paged: bool) -> tuple[Any, Reader]:
    """Our engine as it is loaded on a GPU with flash-attn (`paged`), or without."""
    import exllamav2
    from exllamav2.generator import dynamic

    from ai.worker.engines import exllama_v2 as ours

    reader = Reader()

    def forward_chunk(self: Any, input_ids: torch.Tensor, attn_params: Any, **_: Any) -> dict[str, torch.Tensor]:
        if paged:
            reader.take(input_ids, attn_params.block_index[:, 0].tolist(), attn_params.cache_seqlens.tolist())
        else:
            reader.take(input_ids, [0], [attn_params.past_len])
        return {"logits": torch.zeros(*input_ids.shape, -(-self.config.vocab_size // 32) * 32)}

    def load_autosplit(_: Any, cache: Any, **__: Any) -> None:
        cache.all_tensors = list  # they would be on the GPU

    exllamav2.ExLlamaV2.load_autosplit = load_autosplit
    exllamav2.ExLlamaV2.forward_chunk = forward_chunk
    dynamic.ExLlamaV2Sampler.sample = lambda *_, **__: (torch.tensor([[END]]), None, None, None, False)
    dynamic.ext_c.count_match = lambda *_: 0
    dynamic.assert_paged_attn = lambda: None
    engine = ours.ExLlamaV2Engine(ours.Plan(str(folder), context, parallel, "f16", paged))
    reader.read.clear()
    return engine, reader


def engine_v3(folder: Path, context: int, parallel: int) -> tuple[Any, Reader]:
    """The same of the successor. Its generation step goes through the GPU; here it hands each job that has read its prompt the end of its turn."""
    import exllamav3
    from exllamav3.generator import job as jobs

    from ai.worker.engines import exllama_v3 as ours

    reader = Reader()

    def prefill(_: Any, input_ids: torch.Tensor, params: dict[str, Any]) -> None:
        reader.take(input_ids, params["block_table"][:, 0].tolist(), params["cache_seqlens"].tolist())

    def generate(self: Any, results: list[dict[str, Any]], _: Any = None) -> None:
        for job in [job for job in self.active_jobs if job.is_prefill_done()]:
            job.time_first_token = job.time_first_token or job.time_first_prefill
            sequence = job.sequences[0]
            left = sequence.sequence_ids.torch_slice(sequence.kv_position, None)
            reader.take(left, [sequence.allocated_pages[0].page_index], [sequence.kv_position])
            ended, *_ = job.receive_sample(None, torch.tensor([[END]]), None, None, None, results)
            assert ended
            job.deallocate_pages()
            self.active_jobs.remove(job)

    exllamav3.Model.load = lambda *_, **__: None
    exllamav3.Model.prefill = prefill
    exllamav3.Generator.iterate_gen = generate
    jobs.ext.count_match_tensor = lambda *_: 0
    engine = ours.ExLlamaV3Engine(str(folder), context, parallel, "f16")
    engine.generator.cache.initialized = True
    return engine, reader


class Served:
    """An engine behind our chat server, asked by our own client."""

    def __init__(self, folder: Path, engine: Any, reader: Reader) -> None:
        self.engine, self.reader = engine, reader
        self.broken: list[BaseException] = []
        self.ended = threading.Event()
        self.template = ChatTemplate.of(folder)
        self._app = ChatServer(engine, GenerationThread(engine, self._broken), self.template, "tiny", "key").app

    def _broken(self, error: BaseException) -> None:
        self.broken.append(error)
        self.ended.set()

    def ask(self, *prompts: str, max_tokens: int = 8) -> list[Final | BackendError]:
        """The ends of the answers to prompts that are sent at the same time, or their errors."""
        return asyncio.run(self._all([self._one(prompt, max_tokens) for prompt in prompts]))

    async def _all(self, asked: list[Coroutine[Any, Any, Final]]) -> list[Any]:
        async with asyncio.timeout(20):
            found = await asyncio.gather(*asked, return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, BackendError):
                raise error
        return found

    async def _one(self, prompt: str, max_tokens: int) -> Final:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://worker", headers={"Authorization": "Bearer key"}
        ) as client:
            request = GenRequest((Message("user", prompt),), max_tokens=max_tokens)
            async for event in OpenAIWire(client, "worker").events(request, "tiny", FLAVOURS["Watchkeeper worker"]):
                if not isinstance(event, Chunk):
                    return event
        raise AssertionError("no end")

    def text(self, ids: list[int]) -> str:
        """Tokens as the package's own tokenizer reads them."""
        found = self.engine.tokenizer.decode(torch.tensor([ids]))
        return found[0] if isinstance(found, list) else found


def prompt_of(served: Served, name: str, tokens: int) -> str:
    """A prompt of exactly so many tokens, a needle at each end; `z` is a token of its own."""
    ends = f"{name} {FIRST}", LAST
    left = tokens - len(served.engine.encode(served.template.render((Message("user", "".join(ends)),)), special=True))
    prompt = ("z" * left).join(ends)
    assert len(served.engine.encode(prompt, special=True)) == tokens
    return prompt


def all_is_read(served: Served, prompts: list[str]) -> None:
    """Each prompt, token by token, both needles decoded back, with its true count."""
    served.reader.read.clear()
    wanted = sorted(served.engine.encode(prompt, special=True) for prompt in prompts)
    finals = served.ask(*prompts)
    assert not served.broken, served.broken
    assert sorted(served.reader.sequences()) == wanted
    for ids in served.reader.sequences():
        text = served.text(ids)
        assert FIRST in text[:60], text[:60]
        assert text.endswith(LAST), text[-60:]
    for prompt, final in zip(prompts, finals, strict=True):
        assert isinstance(final, Final), final
        counted = final.usage.prompt_tokens
        assert counted is not None
        assert (counted.value, counted.origin) == (len(served.engine.encode(prompt, special=True)), "reported")


def edge(served: Served) -> None:
    """The longest prompt is read whole, with room for an answer of one token; one token more is an overflow that the generator never sees."""
    longest = served.engine.context - served.engine.reserved - 1
    all_is_read(served, [prompt_of(served, "edge", longest)])
    served.reader.read.clear()
    enqueued: list[Any] = []
    take = served.engine.generator.enqueue
    served.engine.generator.enqueue = lambda job: (enqueued.append(job), take(job))[1]
    [error] = served.ask(prompt_of(served, "over", longest + 1))
    served.engine.generator.enqueue = take
    assert isinstance(error, ContextOverflow), error
    assert (error.prompt_tokens, error.context, error.outage) == (longest + 1, served.engine.context, False)
    assert (served.reader.read, enqueued) == ({}, [])


def chunks(served: Served) -> None:
    """More tokens than the package reads at a time: several passes, and still all of it; for a second time, out of the cache, it is the same count."""
    prompt = prompt_of(served, "long", 5001)
    served.reader.longest = 0
    all_is_read(served, [prompt])
    assert 256 < served.reader.longest < 5000
    [again] = served.ask(prompt)
    assert isinstance(again, Final)
    assert again.usage.prompt_tokens is not None
    assert again.usage.prompt_tokens.value == 5001


def refused_by_the_package(served: Served) -> None:
    """If ever a job has no room in the cache, the package's own words are an overflow, not an outage, and the next prompt is read."""
    prompt = prompt_of(served, "beyond", served.engine.context * served.engine.parallel + 300)
    known, served.engine.context = served.engine.context, 10**6
    [error] = served.ask(prompt)
    served.engine.context = known
    assert isinstance(error, ContextOverflow), error
    assert not error.outage
    all_is_read(served, [prompt_of(served, "next", 700)])


def failing(served: Served) -> None:
    """A model that fails while it reads is told to whoever waits, at once, and to the process."""
    served.reader.fault = RuntimeError("CUDA error: device-side assert triggered")
    [error] = served.ask(prompt_of(served, "fails", 600))
    assert "device-side assert" in str(error), error
    assert served.ended.wait(patient(10))  # the caller is told first
    assert [str(told) for told in served.broken] == [str(served.reader.fault)]


def cutting(folder: Path) -> None:
    """A `tokenizer.json` as training may leave it: texts cut at 64 tokens, or filled up to 6,000."""
    path = folder / "tokenizer.json"
    given = json.loads(path.read_text())
    given["truncation"] = {"direction": "Right", "max_length": 64, "strategy": "LongestFirst", "stride": 0}
    given["padding"] = {
        "strategy": {"Fixed": 100}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>",
    }  # fmt: skip
    path.write_text(json.dumps(given))


def needles(
    folder: Path, make: Callable[[int, int], tuple[Any, Reader]], *, batch: bool
) -> dict[str, Callable[[], None]]:
    """The checks of one way to load an engine (`make`, of context and requests at a time)."""

    def served(context: int, parallel: int = 1) -> Served:
        return Served(folder, *make(context, parallel))

    def together() -> None:
        one = served(1024, 3)
        all_is_read(one, [prompt_of(one, name, tokens) for name, tokens in (("a", 900), ("b", 1022), ("c", 300))])

    found = {
        "the longest prompt, and one token more": lambda: edge(served(1024)),
        "the longest prompt where the cache has pages to spare": lambda: edge(served(1000)),
        "several passes": lambda: chunks(served(6000)),
        "no room in the cache": lambda: refused_by_the_package(served(1024)),
        "a failing model": lambda: failing(served(1024)),
    }
    return {**found, "three at a time": together} if batch else found
