"""The names that other programs use, as `from watchkeeper import …`. docs/ai.md has an example of each."""

import importlib
from typing import Any, Final

NAMES: Final = {
    "AIBackendBenchmark": "ai.benchmark",
    "BenchmarkPlan": "ai.benchmark",
    "Client": "monitor.client.client",
    "Contender": "ai.benchmark",
    "ExLlamaV2Client": "ai.backends.exllama_client",
    "HybridAIBackend": "ai.router",
    "JobAnalysisResult": "ai.shapes.posting",
    "JobAnalyzer": "ai.analysis",
    "LoadSpec": "ai.core.types",
    "LogAnalytics": "monitor.client.log_analytics",
    "LogStreamManager": "monitor.client.log_stream",
    "Member": "ai.router",
    "OllamaBackend": "ai.backends.ollama.backend",
    "ProcessEvent": "monitor.lifecycle.events",
    "ProcessEventTracker": "monitor.lifecycle.events",
    "OpenAIBackend": "ai.backends.openai.backend",
    "analyze_job_content": "ai.door",
    "track": "monitor.jobs.track",
}
"""Name → the module it is in."""
USES_LOGS: Final = frozenset({"Client", "LogAnalytics", "LogStreamManager", "ProcessEvent", "ProcessEventTracker"})
"""Names that cannot be used where a program has a module `logs` of its own."""


def load(name: str) -> Any:
    """The object of a name.

    Raises:
        KeyError: there is no such name.
    """
    return getattr(importlib.import_module(NAMES[name]), name)
