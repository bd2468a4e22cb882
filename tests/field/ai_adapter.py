"""Where the field cases about engines find what they ask: the names of `ai/adapter.py`, at their place in this tree."""

from typing import Any

PLACES = {
    "ai.backends.openai_compat": "ai.backends.openai.backend",
    "ai.protocol": "ai.core.protocol",
    "ai.types": "ai.core.types",
    "ai.discovery": "ai.discovery.discover",
    "ai.service.config": "ai.service.context.config",
    "ai.service.standings": "ai.service.benchmarks.scores",
    "ai.probes.http": "ai.discovery.address",
    "ai.gguf": "ai.model_files.gguf",
}
NAMES = {"standings": "scores", "Standing": "Score"}


class Moved(Exception):
    """A name is not where this file looks for it."""


def _from(module: str, *names: str) -> list[Any]:
    place = PLACES.get(module, module)
    try:
        found = __import__(place, fromlist=list(names))
        return [getattr(found, NAMES.get(name, name)) for name in names]
    except (ImportError, AttributeError) as error:
        raise Moved(f"{place}: {', '.join(names)} ({error})") from error
