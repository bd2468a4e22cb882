"""The part of the client for model engines: `client.ai`."""

from typing import TYPE_CHECKING, Any, Final, Literal

from monitor.api_models import ai as ai_models
from monitor.client.models import ModelsClient
from monitor.client.parsing import Model, parsed, path_part

if TYPE_CHECKING:
    from monitor.client.client import Client

ANSWER_S: Final = 200.0
FETCH_S: Final = 630.0
TUNE_S: Final = 160.0


class AiClient:
    """Engines, benchmarks, analyses.

    Args:
        client: sends the requests.

    `models` is the part about the models of servers.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self.models = ModelsClient(client)

    def backends(self) -> ai_models.AiBackends:
        """Every engine with state, model, memory and figures."""
        return self._read(ai_models.AiBackends, "GET", "/v1/ai/backends")

    def policy(self) -> ai_models.PolicyState:
        """Which engine would be chosen, and why."""
        return self._read(ai_models.PolicyState, "GET", "/v1/ai/policy")

    def calls(self, limit: int = 50) -> ai_models.Calls:
        """The newest calls."""
        return self._read(ai_models.Calls, "GET", "/v1/ai/calls", {"limit": limit})

    def fit(
        self, model: str = "", *, context: int | None = None, parallel: int | None = None, kv_type: str | None = None
    ) -> ai_models.MemoryFit:
        """The predicted memory of a model. The defaults are those of the engine."""
        wanted = {"context": context, "parallel": parallel, "kv_type": kv_type}
        params = {"model": model} | {name: value for name, value in wanted.items() if value is not None}
        return self._read(ai_models.MemoryFit, "GET", "/v1/ai/fit", params)

    def start_benchmark(self, wanted: ai_models.BenchmarkRequest | None = None) -> str:
        """Start a benchmark; returns its ID."""
        body = (wanted or ai_models.BenchmarkRequest()).model_dump()
        return self._read(ai_models.BenchmarkStarted, "POST", "/v1/ai/benchmark", body=body).id

    def benchmark(self) -> ai_models.Benchmark:
        """The progress of the benchmark."""
        return self._read(ai_models.Benchmark, "GET", "/v1/ai/benchmark")

    def cancel_benchmark(self) -> bool:
        """Cancel the benchmark; returns whether one was running."""
        return self._read(ai_models.Cancelled, "POST", "/v1/ai/benchmark/cancel").cancelled

    def history(self, limit: int = 50) -> ai_models.History:
        """Benchmarks, newest first."""
        return self._read(ai_models.History, "GET", "/v1/ai/benchmarks", {"limit": limit})

    def report(self, benchmark: str) -> ai_models.FullReport:
        """The whole report of a benchmark."""
        return self._read(ai_models.FullReport, "GET", f"/v1/ai/benchmarks/{path_part(benchmark)}")

    def export(self, benchmark: str, form: Literal["json", "csv", "html"]) -> bytes:
        """A benchmark as a file."""
        path = f"/v1/ai/benchmarks/{path_part(benchmark)}/export"
        return self._client.request("GET", path, params={"format": form}).content

    def replay(self, benchmark: str) -> str:
        """Repeat a benchmark; returns the ID of the new one."""
        return self._read(ai_models.BenchmarkStarted, "POST", f"/v1/ai/benchmarks/{path_part(benchmark)}/replay").id

    def use(self, benchmark: str) -> ai_models.InUse:
        """Apply the settings that won a benchmark."""
        return self._read(ai_models.InUse, "POST", f"/v1/ai/benchmarks/{path_part(benchmark)}/use")

    def reset(self, backend: str) -> ai_models.InUse:
        """Return an engine to its default settings."""
        return self._read(ai_models.InUse, "POST", f"/v1/ai/backends/{path_part(backend)}/reset")

    def tune(self, backend: str, *, by: str = "") -> ai_models.Tuned:
        """Find the fastest settings of the embedded engine, and use them; takes about 15 seconds. `by` is for the audit table."""
        path = f"/v1/ai/backends/{path_part(backend)}/tune"
        return self._read(ai_models.Tuned, "POST", path, body={"by": by}, timeout_s=TUNE_S)

    def compare(self, before: str, after: str) -> ai_models.Compared:
        """What changed between two benchmarks."""
        return self._read(ai_models.Compared, "GET", "/v1/ai/compare", {"a": before, "b": after})

    def analyze(self, text: str) -> ai_models.JobAnalysisResult:
        """The facts of a job posting."""
        return self._read(
            ai_models.JobAnalysisResult, "POST", "/v1/ai/analyze", body={"text": text}, timeout_s=ANSWER_S
        )

    def follow_analysis(self, text: str) -> ai_models.FollowedAnalysis:
        """What rules find in a job posting, at once; an engine's answer follows (`analysis`)."""
        body = {"text": text, "wait": False}
        return self._read(ai_models.FollowedAnalysis, "POST", "/v1/ai/analyze", body=body)

    def analysis(self, analysis: str) -> ai_models.FollowedAnalysis:
        """How far an analysis is."""
        return self._read(ai_models.FollowedAnalysis, "GET", f"/v1/ai/analyze/{path_part(analysis)}")

    def cancel_analysis(self, analysis: str) -> bool:
        """Ask no engine any further; returns whether one was being asked."""
        path = f"/v1/ai/analyze/{path_part(analysis)}/cancel"
        return self._read(ai_models.Cancelled, "POST", path).cancelled

    def fetch_demo(self) -> ai_models.Fetched:
        """Download the small default model."""
        return self._read(ai_models.Fetched, "POST", "/v1/ai/fetch", timeout_s=FETCH_S)

    def ask_opinion(self, wanted: ai_models.ExplainRequest) -> str:
        """Ask for an opinion; returns the ID of the question."""
        body = {**wanted.model_dump(), "wait": False}
        return self._read(ai_models.OpinionAsked, "POST", "/v1/ai/explain", body=body).id

    def opinion(self, question: str) -> ai_models.OpinionState:
        """The state of a question."""
        return self._read(ai_models.OpinionState, "GET", f"/v1/ai/explain/{path_part(question)}")

    def cancel_opinion(self, question: str) -> bool:
        """Cancel a question; returns whether it was running."""
        return self._read(ai_models.Cancelled, "POST", f"/v1/ai/explain/{path_part(question)}/cancel").cancelled

    def _read(
        self,
        model: type[Model],
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        *,
        body: object = None,
        timeout_s: float | None = None,
    ) -> Model:
        answer = self._client.request(method, path, params=params, body=body, timeout_s=timeout_s)
        return parsed(model, answer)
