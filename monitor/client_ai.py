"""The part of the client that speaks about model engines: `client.ai`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from monitor import ai_models
from monitor.client_parts import Model, parsed, path_part

if TYPE_CHECKING:
    from monitor.client import Client

ANSWER_S: Final = 200.0
FETCH_S: Final = 630.0


class AiClient:
    """Engines, benchmarks, analyses.

    Args:
        client: does the requests.
    """

    def __init__(self, client: "Client") -> None:
        self._client = client

    def backends(self) -> ai_models.AiBackends:
        """Every engine with state, model, memory and figures."""
        return self._read(ai_models.AiBackends, "GET", "/v1/ai/backends")

    def policy(self) -> ai_models.Policy:
        """What would be chosen, and why."""
        return self._read(ai_models.Policy, "GET", "/v1/ai/policy")

    def calls(self, limit: int = 50) -> ai_models.Calls:
        """The newest calls."""
        return self._read(ai_models.Calls, "GET", "/v1/ai/calls", {"limit": limit})

    def fit(
        self, model: str = "", *, context: int | None = None, parallel: int | None = None, kv_type: str | None = None
    ) -> ai_models.MemoryPlan:
        """What a model would take; what is not given is as the engine would load it."""
        wanted = {"context": context, "parallel": parallel, "kv_type": kv_type}
        params = {"model": model} | {name: value for name, value in wanted.items() if value is not None}
        return self._read(ai_models.MemoryPlan, "GET", "/v1/ai/fit", params)

    def start_benchmark(self, wanted: ai_models.BenchmarkRequest | None = None) -> str:
        """Begin a benchmark; its id."""
        body = (wanted or ai_models.BenchmarkRequest()).model_dump()
        return self._read(ai_models.BenchmarkStarted, "POST", "/v1/ai/benchmark", body=body).id

    def benchmark(self) -> ai_models.Benchmark:
        """Where the benchmark is."""
        return self._read(ai_models.Benchmark, "GET", "/v1/ai/benchmark")

    def cancel_benchmark(self) -> bool:
        """End it; whether one ran."""
        return self._read(ai_models.Cancelled, "POST", "/v1/ai/benchmark/cancel").cancelled

    def history(self, limit: int = 50) -> ai_models.History:
        """Benchmarks, newest first."""
        return self._read(ai_models.History, "GET", "/v1/ai/benchmarks", {"limit": limit})

    def report(self, benchmark: str) -> ai_models.BenchmarkReport:
        """A whole benchmark."""
        return self._read(ai_models.BenchmarkReport, "GET", f"/v1/ai/benchmarks/{path_part(benchmark)}")

    def export(self, benchmark: str, form: Literal["json", "csv", "html"]) -> bytes:
        """A benchmark as a file."""
        path = f"/v1/ai/benchmarks/{path_part(benchmark)}/export"
        return self._client.request("GET", path, params={"format": form}).content

    def replay(self, benchmark: str) -> str:
        """Repeat a benchmark; the new one's id."""
        return self._read(ai_models.BenchmarkStarted, "POST", f"/v1/ai/benchmarks/{path_part(benchmark)}/replay").id

    def use(self, benchmark: str) -> ai_models.InUse:
        """Load the model as the winner of a benchmark of settings from now on."""
        return self._read(ai_models.InUse, "POST", f"/v1/ai/benchmarks/{path_part(benchmark)}/use")

    def reset(self, backend: str) -> ai_models.InUse:
        """Back to an engine's own settings."""
        return self._read(ai_models.InUse, "POST", f"/v1/ai/backends/{path_part(backend)}/reset")

    def compare(self, before: str, after: str) -> ai_models.Compared:
        """Two benchmarks."""
        return self._read(ai_models.Compared, "GET", "/v1/ai/compare", {"a": before, "b": after})

    def analyze(self, text: str) -> ai_models.JobAnalysis:
        """What a posting says."""
        return self._read(ai_models.JobAnalysis, "POST", "/v1/ai/analyze", body={"text": text}, timeout_s=ANSWER_S)

    def analyze_many(self, texts: Sequence[str], *, concurrency: int = 2) -> list[ai_models.JobAnalysis]:
        """What several postings say, in their order."""
        body = {"texts": list(texts), "concurrency": concurrency}
        wait = ANSWER_S * max(len(texts), 1)
        return self._read(ai_models.JobAnalyses, "POST", "/v1/ai/analyze", body=body, timeout_s=wait).results

    def fetch_demo(self) -> ai_models.Fetched:
        """Fetch the demonstration model."""
        return self._read(ai_models.Fetched, "POST", "/v1/ai/fetch", timeout_s=FETCH_S)

    def explain(
        self, records: Sequence[str] = (), *, since: str | None = None, until: str | None = None, question: str = ""
    ) -> ai_models.Opinion:
        """A model's opinion on records, or on the warnings and errors of a time; waits for it."""
        body = {"records": list(records), "since": since, "until": until, "question": question}
        return self._read(ai_models.Opinion, "POST", "/v1/ai/explain", body=body, timeout_s=ANSWER_S)

    def ask_opinion(self, wanted: ai_models.ExplainRequest) -> str:
        """Begin a question; its id."""
        body = {**wanted.model_dump(), "wait": False}
        return self._read(ai_models.OpinionAsked, "POST", "/v1/ai/explain", body=body).id

    def opinion(self, question: str) -> ai_models.OpinionState:
        """Where a question is."""
        return self._read(ai_models.OpinionState, "GET", f"/v1/ai/explain/{path_part(question)}")

    def cancel_opinion(self, question: str) -> bool:
        """End a question; whether it was under way."""
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
