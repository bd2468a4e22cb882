"""Model engines: finding, using, measuring and choosing them. Knows nothing of the rest of the program, and can be used alone.

    from watchkeeper import analyze_job_content      # in a checkout also: from ai import …

    result = analyze_job_content(open("posting.txt").read())   # a JobAnalysisResult; `result.backend` says who answered
    print(result.title, result.salary, result.skills_required)

Each name is loaded at its first use: a program that only discovers engines need not pay for the others.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ai.analysis import JobAnalyzer
    from ai.benchmark import AIBackendBenchmark
    from ai.door import analyze_job_content
    from ai.router import HybridAIBackend
    from ai.shapes.posting import JobAnalysisResult

__all__ = ["AIBackendBenchmark", "HybridAIBackend", "JobAnalysisResult", "JobAnalyzer", "analyze_job_content"]
_HOME: Final = {
    "AIBackendBenchmark": "ai.benchmark",
    "HybridAIBackend": "ai.router",
    "JobAnalysisResult": "ai.shapes.posting",
    "JobAnalyzer": "ai.analysis",
    "analyze_job_content": "ai.door",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    msg = f"module 'ai' has no attribute '{name}'"
    raise AttributeError(msg)
