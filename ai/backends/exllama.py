"""ExLlamaV2 and its successor ExLlamaV3: EXL2, GPTQ and EXL3 models on an NVIDIA GPU, in a worker process.

Public figures put it at 1.2-1.8 times llama.cpp's speed for one stream, not the 2-3 times of folklore: the benchmark says what holds here.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import httpx

from ai.backends.openai.request import FLAVOURS
from ai.backends.worker_backend import WorkerBackend
from ai.core.errors import BadModelFile, MissingPiece, ModelMissing
from ai.core.types import Capabilities, EngineName, Figure, LoadReport, LoadSpec, MemoryReport
from ai.discovery.packages import INSTALL, Pieces, exllama_pieces
from ai.model_files.digests import template_id
from ai.worker.budget import RestartPolicy
from ai.worker.engines.chat_template import ChatTemplate
from ai.worker.messages import WorkerConfig
from ai.worker.supervisor import Running, WatchPolicy


class ExLlamaBackend(WorkerBackend):
    """Folders with `config.json`, `tokenizer.json` and safetensors.

    Args:
        generation: 2 or 3.
        name: unique among the backends; `exllamav2` or `exllamav3` when empty.
        watch: when the worker is killed.
        restarts: how often it is started again.
    """

    def __init__(
        self,
        generation: Literal[2, 3] = 2,
        *,
        name: str = "",
        watch: WatchPolicy | None = None,
        restarts: RestartPolicy | None = None,
    ) -> None:
        self.engine: EngineName = "exllamav2" if generation == 2 else "exllamav3"
        super().__init__(name or self.engine, FLAVOURS["Watchkeeper worker"], watch, restarts)
        self._generation = generation

    def capabilities(self) -> Capabilities:
        """All; how many requests at a time is known once it is loaded."""
        running = self.supervisor.running
        return Capabilities(
            json_schema=True, sets_context=True, counts_tokens=True, reports_timings=True, reports_cache=True, ignore_eos=True,
            unloads=True, max_parallel=running.info.get("parallel") if running else None,
        )  # fmt: skip

    async def ensure_loaded(self, spec: LoadSpec, *, deadline_s: float = 120.0) -> LoadReport:
        """Load a model folder.

        Raises:
            MissingPiece: a package, CUDA or a GPU is not here; the hint says what to do.
            ModelMissing, BadModelFile: the folder is not there, or holds no such model.
        """
        running = await self.start(spec, deadline_s)
        return await asyncio.to_thread(self._report, running, spec)

    async def memory(self) -> MemoryReport:
        """The process tree's memory measured; the GPU's as torch's allocator reports it (without the CUDA context, about 300-500 MiB)."""
        report = await super().memory()
        running = self.supervisor.running
        if running is None:
            return report
        try:
            vram = (await self._http(running).get("/memory")).json().get("vram")
        except (httpx.HTTPError, ValueError):
            return report
        if not isinstance(vram, int):
            return report
        return MemoryReport(
            report.rss, report.peak, Figure(vram, "reported"), report.pids, "VRAM without the CUDA context."
        )

    async def _config(self, spec: LoadSpec) -> WorkerConfig:
        folder = await asyncio.to_thread(self._folder, spec.model)
        return WorkerConfig(
            engine="exllamav2" if self._generation == 2 else "exllamav3",
            model=str(folder), socket="", key="", parent=0, context=spec.context, parallel=spec.parallel, kv_type=spec.kv_type,
        )  # fmt: skip

    def _folder(self, model: str) -> Path:
        refuse_when_lacking(self._generation, self.name, exllama_pieces(self._generation))
        folder = Path(model).expanduser().resolve()
        if not folder.is_dir():
            raise ModelMissing(
                f"There is no folder {folder}.", backend=self.name, hint="Name a folder with an EXL model."
            )
        for needed in ("config.json", "tokenizer.json"):
            if not (folder / needed).is_file():
                raise BadModelFile(
                    f"{folder.name} has no {needed}.", backend=self.name, hint="Fetch the whole model again."
                )
        ChatTemplate.of(folder)
        return folder

    def _report(self, running: Running, spec: LoadSpec) -> LoadReport:
        folder = Path(running.config.model)
        parallel = running.info.get("parallel")
        notes = []
        if isinstance(parallel, int) and parallel < spec.parallel:
            notes.append(
                f"It answers {parallel} request at a time: batches need flash-attn 2.5.7 or newer and an Ampere GPU or newer."
            )
        trained = trained_context(folder)
        if trained is not None and trained < spec.context:
            notes.append(f"The model was trained for {trained} tokens of context, not {spec.context}.")
        template = ChatTemplate.of(folder).source
        return LoadReport(
            model=folder.name, cold=running.cold,
            seconds=Figure(float(running.info["load_s"]) if running.cold else 0.0, "measured"),
            context=spec.context, parallel=parallel, kv_type=spec.kv_type, quantization=quantization(folder),
            weights=str(running.info.get("weights")), template=template_id("jinja", template),
            engine_version=f"{self.engine} {running.info.get('version')}", device=str(running.info.get("device")), notes=tuple(notes),
        )  # fmt: skip


def refuse_when_lacking(generation: int, name: str, pieces: Pieces | None) -> None:
    """Says what is missing, and the remedy.

    Raises:
        MissingPiece: something is.
    """
    if pieces is None:
        raise MissingPiece(
            f"The package exllamav{generation} is not installed.",
            backend=name,
            hint=f"On a machine with an NVIDIA GPU: {INSTALL[generation]}",
        )
    if pieces.missing:
        lacking = ", ".join(what for what, _ in pieces.missing)
        remedy = "; ".join(remedy for _, remedy in pieces.missing)
        raise MissingPiece(
            f"ExLlamaV{generation} lacks: {lacking}.", backend=name, hint=f"{remedy[:1].upper()}{remedy[1:]}."
        )


def trained_context(folder: Path) -> int | None:
    """Tokens that the model was trained to read; None where its files do not say, or stretch it."""
    config = _config_of(folder) or {}
    given = config.get("max_position_embeddings")
    return given if isinstance(given, int) and not config.get("rope_scaling") else None


def _config_of(folder: Path) -> dict[str, Any] | None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else {}


def quantization(folder: Path) -> str | None:
    """`exl2 4.5 bpw`, `fp16`, …; None when the configuration cannot be read."""
    config = _config_of(folder)
    if config is None:
        return None
    given = config.get("quantization_config")
    if not isinstance(given, dict):
        return "fp16"
    bits = given.get("bits")
    return (
        f"{given.get('quant_method', 'quantized')} {bits} bpw"
        if isinstance(bits, int | float)
        else str(given.get("quant_method"))
    )
