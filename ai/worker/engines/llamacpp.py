"""llama.cpp inside a worker: `xllamacpp`'s own HTTP server on a Unix socket, behind a random key, without its web page.

Runs in the worker only; importing it elsewhere would load the engine.
"""

import importlib.metadata
import sys
import time
from pathlib import Path
from typing import Any, Final

from ai.model_files.digests import gguf_id
from ai.worker.engines.llama_library import ServerContext
from ai.worker.messages import FailureKind, Loaded, LoadFailed, Say, WorkerConfig
from ai.worker.spare import Cores, Follower

_KV: Final = {"f16": "F16", "q8_0": "Q8_0", "q5_1": "Q5_1", "q5_0": "Q5_0", "q4_1": "Q4_1", "q4_0": "Q4_0"}
_OOM: Final = ("alloc", "memory", "buffer")
_TICK_S: Final = 0.2
"""Between two looks at what other programs use."""


def load(config: WorkerConfig) -> Loaded:
    """Load the model and serve it.

    Returns:
        A function that does not return, and facts for the load report.

    Raises:
        LoadFailed: the model cannot be loaded.
    """
    try:
        import xllamacpp
    except ImportError as error:
        raise LoadFailed("missing", f"xllamacpp cannot be imported: {error}") from error
    try:
        server = xllamacpp.Server(_params(xllamacpp, config))
    except (RuntimeError, ValueError, TypeError) as error:
        text = str(error)
        kind: FailureKind = "out of memory" if any(word in text.lower() for word in _OOM) else "bad model"
        raise LoadFailed(kind, f"llama.cpp cannot load this model: {text}") from error
    return lambda say: _serve(server, _Yielding.of(config, say)), _facts(xllamacpp, config)


def _params(xllamacpp: Any, config: WorkerConfig) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = config.model
    params.model_alias = {Path(config.model).stem}
    params.hostnames = [config.socket]
    params.api_keys = [config.key]
    params.ui = False
    params.n_parallel = config.parallel
    params.n_ctx = config.context * config.parallel  # llama.cpp divides its context among the slots
    params.cache_ram_mib = 0  # its store of old prompts would grow to 8 GiB
    params.n_ctx_checkpoints = 0
    params.fit_params = False  # memory is predicted before; what was asked for is what is loaded
    params.verbosity = 1
    kind = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{_KV[config.kv_type]}")
    params.cache_type_k = params.cache_type_v = kind
    if config.threads is not None:
        params.cpuparams.n_threads = config.threads
        params.cpuparams_batch.n_threads = config.prompt_threads or config.threads
    if config.batch is not None:
        params.n_ubatch = config.batch
    # Other requests get their turn between two batches only: 2,048 tokens of a prompt may take ten seconds
    params.n_batch = max(params.n_ubatch, config.parallel)
    if config.flash_attention is not None:
        word = "ENABLED" if config.flash_attention else "DISABLED"
        params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{word}")
    if config.gpu_layers is not None:
        params.n_gpu_layers = config.gpu_layers
    return params


def _facts(xllamacpp: Any, config: WorkerConfig) -> dict[str, Any]:
    devices = [str(device.get("description") or device.get("name") or "") for device in _devices(xllamacpp)]
    return {
        "version": importlib.metadata.version("xllamacpp"),
        "device": ", ".join(d for d in devices if d)[:200] or "CPU",
        "weights": gguf_id(config.model),
    }


def _devices(xllamacpp: Any) -> list[dict[str, Any]]:
    return [device for device in xllamacpp.get_device_info() if isinstance(device, dict)]


class _Yielding:
    """Generates with as many threads as other programs leave cores free, and tells the parent.

    Prompts are read with all of theirs: many tokens at once are so much work between two meetings of the threads that several are faster than one also beside
    other programs (1.3 to 1.7 times from 32 tokens on, with two threads beside one busy loop and beside two).

    Args:
        context: of the loaded model.
        cores: of this machine.
        most: threads that generate on free cores.
        say: tells the parent.
    """

    def __init__(self, context: ServerContext, cores: Cores, most: int, say: Say) -> None:
        self._context, self._say = context, say
        self._follower, self._told = Follower(cores, most), most

    @classmethod
    def of(cls, config: WorkerConfig, say: Say) -> "_Yielding | None":
        """None where the number is fixed, or cannot follow: then it stays as it was loaded."""
        if not config.yields or config.threads is None or config.threads == 1:
            return None
        try:
            context = ServerContext((config.threads, config.prompt_threads or config.threads))
            return cls(context, Cores(), config.threads, say)
        except (OSError, ValueError, AttributeError, LookupError) as error:
            sys.stderr.write(f"the number of threads does not follow the load: {error}\n")
            return None

    def look(self) -> None:
        """Look at what others used; to be called every `_TICK_S`.

        Raises:
            OSError, ValueError, LookupError: it can follow no longer.
        """
        self._follower.look()
        now = self._follower.threads.now
        if self._context.generate_with(now) and self._follower.computes and now != self._told:
            self._told = now
            self._say(t="threads", now=now)


def _serve(server: Any, yielding: _Yielding | None) -> None:  # noqa: ARG001 - held, so that it is not collected
    while yielding is not None:
        time.sleep(_TICK_S)
        try:
            yielding.look()
        except (OSError, ValueError, LookupError) as error:
            sys.stderr.write(f"the number of threads follows the load no longer: {error}\n")
            break
    while True:
        time.sleep(3600)
