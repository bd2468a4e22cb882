"""What a job posting says.

    result = analyze_job_content(text)                       # rules alone, outside of an event loop
    result = await JobAnalyzer(asker).analyze(text)          # a model, checked against the text, rules behind it
    results = await JobAnalyzer(asker).analyze_many(texts, concurrency=4)

An asker is a `BackendAsker` over one backend, or a `HybridAIBackend` over several (`ai.router`).
"""

from ai.analysis.analyzer import JobAnalyzer, analyze_job_content
from ai.analysis.ask import Asker, BackendAsker, NoAnswer, Reply
from ai.analysis.posting.input_text import text_of
from ai.shapes.posting import FIELDS, Evidence, JobAnalysisResult, Provenance, Salary, Timing

__all__ = [
    "FIELDS",
    "Asker",
    "BackendAsker",
    "Evidence",
    "JobAnalysisResult",
    "JobAnalyzer",
    "NoAnswer",
    "Provenance",
    "Reply",
    "Salary",
    "Timing",
    "analyze_job_content",
    "text_of",
]
