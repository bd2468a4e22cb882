"""Which engine is fastest here, with an interval.

benchmark = AIBackendBenchmark([Contender(a, spec), Contender(b, spec)], BenchmarkPlan(budget_s=90), quality=quality_check())
report = await benchmark.run(on_progress=show, cancel=event)
report.sentence; to_json(report); to_csv(report); to_html(report); append_log(report, log_dir)
compare_runs(before, after); change_marks(reports); replay_plan(report); agreement(report, repeated)
"""

from ai.benchmark.contender import Contender, Draft, Progress
from ai.benchmark.gpu import GpuHints, GpuHolder
from ai.benchmark.reporting.export import append_log, from_json, to_csv, to_json
from ai.benchmark.reporting.history import Agreement, Change, agreement, change_marks, compare_runs, replay_plan
from ai.benchmark.reporting.html import to_html
from ai.benchmark.reporting.journal import Interrupted, Journal, interrupted
from ai.benchmark.runner import AIBackendBenchmark
from ai.benchmark.watch import ProcWatch, best_meter
from ai.shapes.report import BenchmarkPlan, BenchmarkReport, Comparison, ContenderReport, Metric
from ai.shapes.workload import EngineSettings, Length, OwnPrompt, Slo

__all__ = [
    "AIBackendBenchmark",
    "Agreement",
    "BenchmarkPlan",
    "BenchmarkReport",
    "Change",
    "Comparison",
    "Contender",
    "ContenderReport",
    "Draft",
    "EngineSettings",
    "GpuHints",
    "GpuHolder",
    "Interrupted",
    "Journal",
    "Length",
    "Metric",
    "OwnPrompt",
    "ProcWatch",
    "Progress",
    "Slo",
    "agreement",
    "append_log",
    "best_meter",
    "change_marks",
    "compare_runs",
    "from_json",
    "interrupted",
    "replay_plan",
    "to_csv",
    "to_html",
    "to_json",
]
