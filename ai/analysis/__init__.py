"""What a job posting says, and what log records may mean.

    result = analyze_job_content(text)                       # rules alone, outside of an event loop
    result = await JobAnalyzer(asker).analyze(text)          # a model, checked against the text, rules behind it
    results = await JobAnalyzer(asker).analyze_many(texts, concurrency=4)
    opinion = await explain(asker, records, question="Why did CPU jump at 14:02?")

An asker is a `BackendAsker` over one backend, or a `HybridAIBackend` over several (`ai.router`).
"""

from ai.analysis.analyzer import JobAnalyzer, analyze_job_content
from ai.analysis.ask import Asker, BackendAsker, NoAnswer, Reply
from ai.analysis.explain import Explanation, GivenRecord, explain
from ai.analysis.facts import Fact
from ai.analysis.given import text_of
from ai.analysis.schema import FIELDS, Evidence, JobAnalysisResult, Provenance, Salary, Timing

__all__ = [
    "FIELDS",
    "Asker",
    "BackendAsker",
    "Evidence",
    "Explanation",
    "Fact",
    "GivenRecord",
    "JobAnalysisResult",
    "JobAnalyzer",
    "NoAnswer",
    "Provenance",
    "Reply",
    "Salary",
    "Timing",
    "analyze_job_content",
    "explain",
    "text_of",
]
