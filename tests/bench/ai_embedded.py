"""The whole way on the real embedded model: load, one analysis, a benchmark of the engine against itself, quality beside the baselines.

Prints one JSON object. The engine against itself must not be given a winner; `naive_best_ratio` is what two single requests would have said.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ai.analysis import BackendAsker, JobAnalyzer
from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.benchmark import AIBackendBenchmark, BenchmarkPlan, Contender
from ai.core.types import LoadSpec
from ai.evaluation import evaluate, load_postings, majority_baseline
from ai.statistics.paired import compare_paired

SPEC = LoadSpec("demo", context=2048)


async def work(*, quick: bool) -> dict[str, Any]:
    """All figures."""
    first, second = LlamaCppBackend(name="embedded"), LlamaCppBackend(name="embedded again")
    postings = load_postings()
    wanted = {"en-02", "de-05", "es-03", "fr-05"} if quick else {p.id for p in postings if "very_long" not in p.traps}
    chosen = [p for p in postings if p.id in wanted]
    begun = time.perf_counter()
    try:
        result = await JobAnalyzer(BackendAsker(first, SPEC)).analyze(postings[0].text)
        first_figure = time.perf_counter() - begun
        plan = BenchmarkPlan(
            budget_s=30 if quick else 90, max_tokens=12, prompts=["summary"], batches=[1, 2], cold_load=False
        )
        report = await AIBackendBenchmark([Contender(first, SPEC), Contender(second, SPEC)], plan).run()
        model = await evaluate(BackendAsker(first, SPEC), chosen, name="llamacpp")
    finally:
        await first.close()
        await second.close()
    rules = await evaluate(None, chosen, name="rules")
    comparison = report.comparisons[0] if report.comparisons else None
    ratios = [abs(v) for v in comparison.log_ratios] if comparison else []
    return {
        "seconds_to_first_analysis": round(first_figure, 1),
        "analysis": {"backend": result.backend, "how": result.provenance.how, "unsupported": len(result.provenance.unsupported)},
        "engine_against_itself": {
            "sentence": report.sentence, "blocks": report.blocks, "kind": comparison.kind if comparison else None,
            "naive_best_ratio": round(2.718281828**max(ratios), 2) if ratios else None, "flags": report.flags,
            "tokens_per_s": {c.name: c.metrics["generation"].value for c in report.contenders if "generation" in c.metrics},
        },
        "quality": {
            q.backend: {"items": len(q.items), "parse": q.parse.estimate, "valid": q.valid.estimate, "f1_micro": round(q.f1_micro, 3), "evidence": round(q.evidence.estimate, 3)}
            for q in (model, rules)
        } | {"majority_f1_micro": round(majority_baseline(postings).f1_micro, 3), "model_is_other_than_rules": compare_paired([i.f1 for i in model.items], [i.f1 for i in rules.items]).shown},
    }  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute of pairs and four postings")
    quick = parser.parse_args().quick
    figures = asyncio.run(work(quick=quick))
    machine = {"cpus": os.cpu_count(), "load1": os.getloadavg()[0], "python": platform.python_version()}
    print(
        json.dumps(
            {"name": "ai_embedded", "method": "SmolLM2-135M Q4_1 through xllamacpp", "machine": machine, **figures},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
