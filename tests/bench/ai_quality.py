"""Quality on the held-out postings: rules alone, the embedded model alone, both together, the commonest values.

Prints one JSON object: F1 (micro, macro, by posting with its 95 % interval), precision, parse and schema-valid rate, evidence rate, empty when absent,
stability over two runs, and the paired tests. `--quick` asks the model about four short postings and measures the rules on all; `--rules` asks none.
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

from ai.analysis import BackendAsker
from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.types import LoadSpec
from ai.evaluation import Quality, evaluate, load_postings, majority_baseline, unseen_postings
from ai.evaluation.score import Counts
from ai.statistics.paired import compare_paired

SPEC = LoadSpec("demo", context=2048)


def row(quality: Quality) -> dict[str, Any]:
    """The figures of one way of answering."""
    total = sum((c for item in quality.items for c in item.fields.values()), Counts())
    by_item = quality.f1_by_item
    return {
        "postings": len(quality.items), "f1_micro": round(quality.f1_micro, 3), "f1_macro": round(quality.f1_macro, 3),
        "f1_by_posting": [round(v, 3) for v in (by_item.estimate, by_item.low, by_item.high)],
        "precision": round(total.right / max(total.right + total.wrong, 1e-9), 3), "parse": round(quality.parse.estimate, 3), "valid": round(quality.valid.estimate, 3),
        "evidence": round(quality.evidence.estimate, 3), "empty_when_absent": round(quality.null_when_absent.estimate, 3),
        "stability": quality.stability if quality.stability is None else round(quality.stability, 3),
        "by_field": {name: None if f1 is None else round(f1, 2) for name, f1 in quality.by_field.items()},
    }  # fmt: skip


async def without_model() -> dict[str, Any]:
    """What needs no engine."""
    postings = unseen_postings()
    return {
        "rules": row(await evaluate(None, postings, name="rules", repeats=2)),
        "rules_on_development": row(await evaluate(None, load_postings(split="development"))),
        "majority_f1_micro": round(majority_baseline(postings).f1_micro, 3),
    }


async def with_model(*, quick: bool) -> dict[str, Any]:
    """The embedded model alone, and with the rules, on the same postings."""
    usual = [p for p in unseen_postings() if "very_long" not in p.traps]
    asked = [p for p in usual if len(p.text) < 700][:4] if quick else usual
    backend = LlamaCppBackend(name="embedded")
    repeats = 1 if quick else 2
    try:
        begun = time.perf_counter()
        model = await evaluate(BackendAsker(backend, SPEC), asked, name="model", repeats=repeats)
        seconds = (time.perf_counter() - begun) / len(asked) / repeats
        both = await evaluate(BackendAsker(backend, SPEC), asked, name="model and rules", fill=True)
    finally:
        await backend.close()
    same = await evaluate(None, asked, name="rules")
    return {
        "model": row(model), "model_and_rules": row(both), "rules_on_the_same": row(same), "seconds_a_posting": round(seconds, 1),
        "both_against_model": compared(both, model), "both_against_rules": compared(both, same),
    }  # fmt: skip


def compared(first: Quality, second: Quality) -> dict[str, float | bool]:
    """The difference of F1 on the same postings, with its bounds."""
    found = compare_paired([i.f1 for i in first.items], [i.f1 for i in second.items])
    return {
        "f1": found.difference.estimate,
        "low": found.difference.low,
        "high": found.difference.high,
        "shown": found.shown,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ask the model about four short postings only")
    parser.add_argument("--rules", action="store_true", help="ask no model")
    asked = parser.parse_args()
    figures = asyncio.run(without_model()) | ({} if asked.rules else asyncio.run(with_model(quick=asked.quick)))
    machine = {"cpus": os.cpu_count(), "load1": os.getloadavg()[0], "python": platform.python_version()}
    method = "held-out postings; SmolLM2-135M Q4_1 through xllamacpp"
    print(json.dumps({"name": "ai_quality", "method": method, "machine": machine, **figures}, indent=2))


if __name__ == "__main__":
    main()
