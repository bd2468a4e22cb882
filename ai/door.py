"""An analysis for programs that have no engine at hand: by rules, or by the engines of this machine within a time."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ai.analysis import Asker
from ai.analysis import analyze_job_content as analyze
from ai.shapes.posting import JobAnalysisResult


def analyze_job_content(
    job_description: str, *, within_s: float | None = None, asker: Asker | None = None, fill: bool = True
) -> JobAnalysisResult:
    """What a job posting says; for callers outside of an event loop.

        result = analyze_job_content(text)                 # by rules, at once
        result = analyze_job_content(text, within_s=30)    # by the best engine of this machine, else by rules

    `result.backend` says who answered: an engine, or `rules`.

    Args:
        job_description: the posting, as text or HTML.
        within_s: seconds that the engines here may take: Ollama at its default address (or `OLLAMA_HOST`), else the embedded one. None asks none.
        asker: asks this one instead (`HybridAIBackend`, for example).
        fill: let the rules fill what a model leaves empty.

    Raises:
        InputError: the text is longer than any posting.
        RuntimeError: called from inside an event loop.
    """
    if within_s is None or asker is not None:
        return analyze(job_description, asker=asker, fill=fill)
    return asyncio.run(_by_engines(job_description, within_s))


async def _by_engines(text: str, within_s: float) -> JobAnalysisResult:
    import os

    from ai.discovery.discover import OLLAMA_URL, DiscoveryConfig, discover
    from ai.service.context.config import AiConfig
    from ai.service.context.records import NoRecords
    from ai.service.service import AiService

    found = await discover(DiscoveryConfig(ollama_url=os.environ.get("OLLAMA_HOST") or OLLAMA_URL))

    async def engines() -> Sequence[Mapping[str, Any]]:
        return [engine.model_dump(mode="json") for engine in found]

    service = AiService(lambda: AiConfig(answer_s=within_s), engines, records=NoRecords(), mask=str)
    try:
        async with asyncio.timeout(within_s):
            return await service.analyze(text)
    except TimeoutError:
        late = await asyncio.to_thread(analyze, text)
        notes = [f"No engine answered within {within_s:g} s.", *late.provenance.notes]
        return late.model_copy(update={"provenance": late.provenance.model_copy(update={"notes": notes})})
    finally:
        await service.close()
