"""`ExLlamaV2Client`: a model of ExLlamaV2 for programs without an event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from ai.backends.exllama import ExLlamaBackend
from ai.core.protocol import Completion, complete
from ai.core.types import Deadlines, GenRequest, LoadReport, LoadSpec, Message

T = TypeVar("T")


class ExLlamaV2Client:
    """An EXL2 or GPTQ model, loaded in a process of its own at the first question.

        with ExLlamaV2Client("/models/llama-3-8b-exl2", max_seq_len=4096) as client:
            print(client.generate("Name three harbours."))

    Needs an NVIDIA GPU. `backend` and `spec` are what `HybridAIBackend` and `AIBackendBenchmark` take, in an event loop of their own.

    Args:
        model_path: the model's folder, with `config.json`, `tokenizer.json` and its safetensors.
        max_seq_len: tokens that a prompt and its answer may take together.
    """

    def __init__(self, model_path: str | Path, max_seq_len: int = 4096) -> None:
        self.backend = ExLlamaBackend(2)
        self.spec = LoadSpec(str(model_path), context=max_seq_len)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def load(self, *, deadline_s: float = 120.0) -> LoadReport:
        """Load the model now.

        Raises:
            MissingPiece: a package, CUDA or a GPU is not here; the hint says what to do.
            ModelMissing, BadModelFile: the folder is not there, or holds no such model.
        """
        return self._run(self.backend.ensure_loaded(self.spec, deadline_s=deadline_s))

    def generate(self, prompt: str, *, max_tokens: int = 256, deadline_s: float = 180.0) -> str:
        """The answer to one message.

        Raises:
            BackendError: as `load`, or what the engine says.
        """
        return self.complete(GenRequest((Message("user", prompt),), max_tokens), deadline_s=deadline_s).text

    def complete(self, request: GenRequest, *, deadline_s: float = 180.0) -> Completion:
        """The whole answer to a conversation, with its times and counts.

        Raises:
            BackendError: as `load`, or what the engine says.
        """

        async def ask() -> Completion:
            await self.backend.ensure_loaded(self.spec, deadline_s=deadline_s)
            return await complete(self.backend, request, deadlines=Deadlines(total_s=deadline_s))

        return self._run(ask())

    def close(self) -> None:
        """End the process that holds the model."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._run(self.backend.close())
        self._loop = self._thread = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work on the client's own event loop."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="exllamav2-client", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
