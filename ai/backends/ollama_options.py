"""Ollama's options: all of them, always, since the model's own file and the server's environment may set others."""

from typing import Any

from ai.types import GenRequest, LoadSpec


def load_options(spec: LoadSpec) -> dict[str, Any]:
    """What decides how a model is loaded; the same in every request, or Ollama would load it anew."""
    options: dict[str, Any] = {"num_ctx": spec.context}
    if spec.threads is not None:
        options["num_thread"] = spec.threads
    if spec.gpu_layers is not None:
        options["num_gpu"] = spec.gpu_layers
    return options


def request_options(request: GenRequest, spec: LoadSpec) -> dict[str, Any]:
    """Those of one request, with those of its model."""
    sampling = request.sampling
    options = load_options(spec) | {
        "num_predict": request.max_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repeat_penalty,
        "seed": sampling.seed,
    }
    if request.stop:
        options["stop"] = list(request.stop)
    return options
