"""What thinks: model engines, their discovery, measurement and use.

    from ai import analyze_job_content

    result = analyze_job_content(open("posting.txt").read())   # a JobAnalysisResult; `result.backend` says who answered
    print(result.title, result.salary, result.skills_required)

Loaded at first use: a program that only discovers engines need not pay for it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ai.analysis import JobAnalysisResult, analyze_job_content

__all__ = ["JobAnalysisResult", "analyze_job_content"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ai import analysis

        return getattr(analysis, name)
    msg = f"module 'ai' has no attribute '{name}'"
    raise AttributeError(msg)
