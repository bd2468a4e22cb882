"""A double of the agent's answers about engines: a benchmark that can run, end, and be looked at."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

NOW = 1_790_000_000_000_000


GATEWAY_OFF: dict[str, Any] = {
    "enabled": False, "state": "off", "message": "", "port": 11435, "address": None, "pid": None, "rss": None, "restarts": 0, "active": 0, "waiting": 0,
    "connections": 0, "answered": 0, "refused": 0, "lost": 0, "require_key": True, "keys": [], "engines": [], "excluded": {}, "sentence": "", "calls": [],
}  # fmt: skip
GATEWAY_ON: dict[str, Any] = GATEWAY_OFF | {
    "enabled": True, "state": "running", "address": "http://127.0.0.1:11435", "active": 1, "waiting": 2, "answered": 7, "rss": 30_000_000,
    "keys": [{"name": "notebook", "created": NOW, "last_used": NOW, "calls": 9}], "excluded": {"far": "it is remote"},
    "engines": [{"name": "fast", "label": "vLLM", "model": "<b>m</b>", "models": ["<b>m</b>", "other"], "resting": "it hung up"}],
    "calls": [{"call": "c", "since": NOW, "phase": "waiting", "program": "python work.py", "run": "42", "key": "notebook", "wanted": "auto", "backend": "", "model": ""}],
}  # fmt: skip


def _metric(value: float, unit: str) -> dict[str, Any]:
    return {
        "value": value,
        "unit": unit,
        "origin": "measured",
        "n": 20,
        "low": value,
        "high": value,
        "p95": value * 1.4,
    }


def _contender(name: str, rate: float, f1: float) -> dict[str, Any]:
    quality = {
        "items": 6, "parse_rate": 1.0, "schema_valid_rate": 1.0, "f1_micro": f1, "f1_macro": f1, "f1_low": f1 - 0.1, "f1_high": f1 + 0.1,
        "evidence_rate": 0.97, "null_when_absent": 0.9,
    }  # fmt: skip
    return {
        "name": name, "engine": name, "load": {"model": "m", "quantization": "Q4", "device": "CPU"},
        "metrics": {
            "generation": _metric(rate, "tokens/s"), "first_token": _metric(0.084, "s"), "memory_peak": _metric(2**30, "bytes"),
            "memory_predicted": _metric(2**30, "bytes"), "energy": {"value": None, "unit": "J/token", "origin": "measured", "note": "not measurable: no counter"},
        },
        "batches": [{"batch": b, "tokens_per_s": rate * b, "goodput_rps": 1.0, "good": b, "requests": b, "ttft_p95_s": 0.1} for b in (1, 2)],
        "quality": quality, "flagged": 1,
    }  # fmt: skip


def report(benchmark: str = "b1") -> dict[str, Any]:
    """Two engines, one faster; names of strangers."""
    samples = [
        {"ts": NOW, "block": i, "position": 0, "backend": name, "prompt": "summary", "total_s": 1.0, "ttft_s": 0.1, "rate": 50.0, "used": i > 0,
         "flags": [] if i else ["neighbour load"]}
        for i in range(8)
        for name in ("ollama", "<b>fast</b>")
    ]  # fmt: skip
    return {
        "id": benchmark, "started": NOW, "ended": NOW + 71_000_000, "state": "done", "plan": {}, "host": {"kind": "engines"}, "reference": "ollama",
        "contenders": [_contender("ollama", 95.0, 0.84), _contender("<b>fast</b>", 124.0, 0.83)],
        "comparisons": [
            {"candidate": "<b>fast</b>", "reference": "ollama", "kind": "faster", "estimate": 1.31, "low": 1.24, "high": 1.39, "confidence": 0.95, "p_value": 0.001,
             "blocks": 8, "equivalent": False, "comparable": False, "because": ["the cache type differs"], "sentence": "<b>fast</b> is faster.",
             "log_ratios": [0.27] * 8}
        ],
        "self_checks": [{"backend": "ollama", "estimate": 1.0, "low": 0.9, "high": 1.1, "passed": True}],
        "samples": samples, "flags": {"neighbour load": 2}, "blocks": 8,
        "sentence": "<b>fast</b> is 1.31 times as fast as ollama (95 % between 1.24 and 1.39) and as good.",
        "notes": ["One note."],
        "hypothesis": {"answer": "not tested", "sentence": "Not tested here: ExLlamaV2 is 2 to 3 times as fast as Ollama."},
    }  # fmt: skip


def load_report(benchmark: str = "b9") -> dict[str, Any]:
    """Two engines under load and by lengths, one that does not keep up; without pairs."""
    level = {
        "tokens_per_s": 90.0,
        "goodput_rps": 1.5,
        "good": 9,
        "requests": 10,
        "ttft_p95_s": 0.4,
        "total_p50_s": 1.0,
        "total_p95_s": 2.5,
    }
    contenders = [
        {
            "name": name, "engine": name, "load": {"model": "m", "quantization": "Q4", "device": "CPU"}, "metrics": {"memory_peak": _metric(2**30, "bytes")},
            "batches": [level | {"batch": size, "note": ""} for size in (1, 8, 64)],
            "rates": [level | {"rate": 1.0, "kept_up": True}, level | {"rate": 4.0, "kept_up": False, "note": "2 of 10 requests were not answered in time."}],
            "lengths": [{"test": "pp512", "length": {"prompt": 512}, "n": 3, "prompt_rate": 340.0, "prompt_deviation": 2.0, "first_token_s": 1.5, "warm_first_token_s": 0.1}],
        }
        for name in ("ollama", "<b>fast</b>")
    ]  # fmt: skip
    return report(benchmark) | {
        "plan": {"pairs": False, "slo": {"first_token_s": 0.5}}, "contenders": contenders, "comparisons": [], "self_checks": [], "blocks": 0, "flags": {},
        "sentence": "ollama holds 1 requests/s within 0.5 s to the first token, 0.2 s a token.",
    }  # fmt: skip


RUNNING = {
    "state": "running", "id": "b2", "kind": "engines", "started": NOW, "elapsed_s": 20.0, "left_s": 40.0, "contenders": ["ollama", "x"], "reference": "ollama",
    "steps": [{"step": "load", "state": "done"}, {"step": "pairs", "state": "now"}, {"step": "quality", "state": "to come"}],
    "phase": "pairs", "message": "Pairs 3 of at most 30", "done": 3, "total": 30, "ratios": {"x": [1.2, 1.3, 1.25]}, "intervals": {"x": [1.1, 1.4]},
    "figures": [{"backend": "ollama", "n": 6, "tokens_per_s": 95.0, "first_token_s": 0.14, "total_s": 1.0}], "first_figure_s": 4.0,
    "measurements": 12, "flagged": 1,
}  # fmt: skip


class AiDouble:
    """What it answers can be changed; `asked` notes what was asked of it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"state": "idle"}
        self.reports: list[dict[str, Any]] = []
        self.refusal: tuple[int, str] | None = None
        self.asked: list[tuple[str, Any]] = []
        self.analysis = "asking"
        self.analysed: dict[str, Any] = {}
        self.question: dict[str, Any] = {}
        self.scores = True
        self.backends: list[dict[str, Any]] = []
        self.gateway: dict[str, Any] = GATEWAY_OFF
        self.models: dict[str, Any] = {"shelves": [], "pulls": [], "read_only": False}
        self.trial: dict[str, Any] = {}
        self.gateway_calls: dict[str, Any] = {"calls": [], "usage": []}
        self.gateway_texts: list[dict[str, Any]] = []

    def routes(self) -> list[Route]:
        """For `ScriptedAgent.more_routes`."""
        return [
            Route("/v1/ai/backends", self._backends),
            Route("/v1/ai/policy", self._policy),
            Route("/v1/ai/calls", self._calls),
            Route("/v1/ai/benchmark", self._benchmark, methods=["GET", "POST"]),
            Route("/v1/ai/benchmark/cancel", self._cancel, methods=["POST"]),
            Route("/v1/ai/benchmarks", self._history),
            Route("/v1/ai/benchmarks/{id}", self._report),
            Route("/v1/ai/benchmarks/{id}/replay", self._replay, methods=["POST"]),
            Route("/v1/ai/benchmarks/{id}/use", self._use, methods=["POST"]),
            Route("/v1/ai/backends/{backend}/reset", self._reset, methods=["POST"]),
            Route("/v1/ai/backends/{backend}/tune", self._tune, methods=["POST"]),
            Route("/v1/ai/compare", self._compare),
            Route("/v1/ai/gateway", self._gateway),
            Route("/v1/ai/gateway/calls", self._gateway_calls),
            Route("/v1/ai/gateway/texts", self._gateway_texts, methods=["GET", "DELETE"]),
            Route("/v1/ai/gateway/texts/{call}", self._gateway_texts, methods=["GET", "DELETE"]),
            Route("/v1/ai/gateway/keys", self._gateway_keys, methods=["POST"]),
            Route("/v1/ai/gateway/keys/{name}", self._gateway_keys, methods=["DELETE"]),
            Route("/v1/ai/models", self._models),
            Route("/v1/ai/models/pulls", self._pulls),
            Route("/v1/ai/models/pulls/{id}/cancel", self._cancel_pull, methods=["POST"]),
            Route("/v1/ai/models/{action}", self._model_action, methods=["POST"]),
            Route("/v1/ai/try", self._try, methods=["POST"]),
            Route("/v1/ai/try/{id}", self._tried),
            Route("/v1/ai/try/{id}/cancel", self._stop_trial, methods=["POST"]),
            Route("/v1/ai/gateway/keys/{name}/budget", self._gateway_budget, methods=["PUT"]),
            Route("/v1/ai/analyze", self._analyze, methods=["POST"]),
            Route("/v1/ai/analyze/{id}", self._analysis_state),
            Route("/v1/ai/analyze/{id}/cancel", self._analysis_cancel, methods=["POST"]),
            Route("/v1/ai/explain", self._explain, methods=["POST"]),
            Route("/v1/ai/explain/{id}", self._question),
            Route("/v1/ai/explain/{id}/cancel", self._cancel_question, methods=["POST"]),
        ]

    async def _models(self, _: Request) -> Response:
        return JSONResponse(self.models)

    async def _pulls(self, _: Request) -> Response:
        return JSONResponse({"pulls": self.models["pulls"]})

    async def _cancel_pull(self, request: Request) -> Response:
        self.asked.append(("cancel pull", request.path_params["id"]))
        return JSONResponse({"cancelled": True})

    async def _model_action(self, request: Request) -> Response:
        action, body = request.path_params["action"], await request.json()
        self.asked.append((f"model {action}", {key: value for key, value in body.items() if value not in {None, ""}}))
        if self.refusal is not None:
            return _refuse(*self.refusal)
        if action == "pull":
            return JSONResponse(pull(body["model"]), 202)
        if action == "delete":
            return JSONResponse({"server": body["server"], "model": body["model"], "freed": 2**30})
        return JSONResponse({"name": body["model"], "context": 2048, "loaded": action == "load"})

    async def _try(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(("try", (body["backend"], body["model"], body["messages"][-1]["content"])))
        if self.refusal is not None:
            return _refuse(*self.refusal)
        return JSONResponse(self.trial | {"state": "loading", "text": "", "figures": None}, 202)

    async def _tried(self, _: Request) -> Response:
        return JSONResponse(self.trial)

    async def _stop_trial(self, request: Request) -> Response:
        self.asked.append(("stop trial", request.path_params["id"]))
        return JSONResponse({"cancelled": True})

    async def _backends(self, _: Request) -> Response:
        return JSONResponse({"backends": self.backends, "choice": {"order": [], "sentence": "s"}})

    async def _policy(self, _: Request) -> Response:
        score = {
            "backend": "ollama", "engine": "ollama", "model": "m", "breaker": "open", "reason": "it timed out", "quality": 0.84, "latency_s": 2.0,
            "measured": NOW, "speed": {"estimate": 95.0, "low": 90.0, "high": 99.0}, "remote": False,
        }  # fmt: skip
        return JSONResponse(
            {"quality_floor": 0.5, "latency_target_s": None, "allow_remote": False, "explain_remote": False, "chosen": "ollama", "order": ["ollama"],
             "sentence": "ollama is used because its F1 of 0.84 is above the floor; falls back to rules.", "excluded": {"far": "it is remote"},
             "drift": ["ollama takes 1.5 times as long; measure again."], "scores": [score] if self.scores else []}
        )  # fmt: skip

    async def _calls(self, _: Request) -> Response:
        call = {
            "ts": NOW, "call": "c", "attempt": 1, "purpose": "analysis", "backend": "ollama", "engine": "ollama", "model": "m", "outcome": "BackendTimeout",
            "message": "it was <i>late</i>", "total_s": 3.1, "ttft_s": None, "tokens_per_s": None, "prompt_tokens": None, "completion_tokens": None,
        }  # fmt: skip
        return JSONResponse(
            {"calls": [call], "figures": [], "requests": 1, "answered": 0, "by_fallback": 0, "unanswered": 1}
        )

    async def _gateway(self, _: Request) -> Response:
        return JSONResponse(self.gateway)

    async def _gateway_calls(self, _: Request) -> Response:
        return JSONResponse({"since": NOW, **self.gateway_calls})

    async def _gateway_texts(self, request: Request) -> Response:
        call = request.path_params.get("call")
        if request.method == "DELETE":
            gone = [one for one in self.gateway_texts if call in {None, one["call"]}]
            self.gateway_texts = [one for one in self.gateway_texts if one not in gone]
            self.gateway = self.gateway | {"texts": self.gateway["texts"] | {"calls": len(self.gateway_texts)}}
            return JSONResponse({"calls": len(gone)})
        if call is None:
            return JSONResponse({"texts": [{"call": t["call"], "ts": t["ts"], "size": 9} for t in self.gateway_texts]})
        return JSONResponse(next(one for one in self.gateway_texts if one["call"] == call))

    async def _gateway_keys(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.asked.append(("remove key", request.path_params["name"]))
            return JSONResponse({"name": request.path_params["name"]})
        name = (await request.json())["name"]
        self.asked.append(("add key", name))
        if not name:
            error = {"kind": "InputError", "message": "'' cannot be the name of a key.", "hint": "use letters"}
            return JSONResponse({"error": error}, status_code=400)
        return JSONResponse({"name": name, "key": "wk-secret"})

    async def _gateway_budget(self, request: Request) -> Response:
        budget = await request.json()
        self.asked.append((f"budget {request.path_params['name']}", budget))
        return JSONResponse({"name": request.path_params["name"], "budget": budget})

    async def _use(self, request: Request) -> Response:
        return self._in_use("use", request.path_params["id"], taken=True)

    async def _reset(self, request: Request) -> Response:
        return self._in_use("reset", request.path_params["backend"], taken=False)

    async def _tune(self, request: Request) -> Response:
        self.asked.append(("tune", request.path_params["backend"]))
        return JSONResponse(
            {
                "backend": "llamacpp", "model": "m", "settings": "2 threads", "sentence": "With 2 threads from now on: <b>1.2×</b>.", "kept": True, "quiet": True,
                "seconds": 9.0, "generate_before": 50.0, "generate_after": 60.0, "read_before": 100.0, "read_after": 100.0, "tried": [],
            }
        )  # fmt: skip

    def _in_use(self, what: str, given: str, *, taken: bool) -> Response:
        self.asked.append((what, given))
        for one in self.reports:
            one["offer"]["taken"] = taken
        for engine in self.backends:
            engine["in_use"] = engine["in_use"] | {
                "benchmark": "b1" if taken else None,
                "settings": "1 thread" if taken else "",
                "sentence": "m is loaded as ever.",
            }
        return JSONResponse(
            {"backend": "llamacpp", "model": "m", "settings": "", "benchmark": None, "taken": None, "sentence": "s"}
        )

    async def _benchmark(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse(self.state)
        self.asked.append(("benchmark", await request.json()))
        if self.refusal is not None:
            return _refuse(*self.refusal)
        self.state = RUNNING
        return JSONResponse({"id": "b2"}, status_code=202)

    async def _cancel(self, _: Request) -> Response:
        self.asked.append(("cancel", None))
        self.state = {"state": "cancelled", "id": "b2"}
        return JSONResponse({"cancelled": True})

    async def _history(self, _: Request) -> Response:
        rows = [
            {"benchmark": r["id"], "started": r["started"], "ended": r["ended"], "state": r["state"], "reference": r["reference"], "backends": "ollama, fast",
             "verdict": r["sentence"], "blocks": r["blocks"], "flagged": 2, "changes": ["ollama, generation: slower than before."]}
            for r in self.reports
        ]  # fmt: skip
        return JSONResponse({"benchmarks": rows})

    async def _report(self, request: Request) -> Response:
        found = next((r for r in self.reports if r["id"] == request.path_params["id"]), None)
        if found is None:
            return JSONResponse(
                {"error": {"kind": "NotFound", "message": "there is no such benchmark", "hint": "choose another"}},
                status_code=404,
            )
        return JSONResponse(found)

    async def _replay(self, request: Request) -> Response:
        self.asked.append(("replay", request.path_params["id"]))
        self.state = RUNNING
        return JSONResponse({"id": "b2"}, status_code=202)

    async def _compare(self, _: Request) -> Response:
        change = {
            "backend": "ollama", "figure": "generation", "estimate": 0.8, "low": 0.7, "high": 0.9, "changed": True, "why": [], "sentence": "ollama: slower than before."
        }  # fmt: skip
        return JSONResponse({"before": "b0", "after": "b1", "sentence": "1 of 3 figures changed.", "changes": [change]})

    async def _analyze(self, request: Request) -> Response:
        wanted = await request.json()
        text = wanted["text"]
        assert not wanted["wait"]  # the page shows the rules' answer while an engine is asked
        self.asked.append(("analyze", text))
        at = text.find("Acme")
        evidence = (
            [{"field": "company", "value": "Acme", "start": at, "end": at + 4, "text": "Acme"}] if at >= 0 else []
        )
        self.analysed = (
            {"title": None, "company": "Acme" if at >= 0 else None, "salary": {"minimum": 70_000.0, "maximum": 85_000.0, "currency": "EUR", "period": "year"},
             "skills_required": ["Python", "<script>"], "backend": "rules", "evidence": evidence, "timing": {"total_s": 0.1},
             "provenance": {"how": "rules", "text_sha256": "", "text_chars": len(text), "fields": {"company": "rules"}}}
        )  # fmt: skip
        return JSONResponse(self._analysis("asking"), status_code=202)

    async def _analysis_state(self, _request: Request) -> Response:
        answered = {"result": self.analysed | {"backend": "ollama", "title": "Baker"}}
        return JSONResponse(self._analysis(self.analysis) | (answered if self.analysis == "done" else {}))

    async def _analysis_cancel(self, request: Request) -> Response:
        self.asked.append(("cancel analysis", request.path_params["id"]))
        self.analysis = "cancelled"
        return JSONResponse({"cancelled": True})

    def _analysis(self, state: str) -> dict[str, Any]:
        return {
            "id": "an1",
            "state": state,
            "asked": "ollama",
            "started": time.time_ns() // 1000,
            "rules": self.analysed,
        }

    async def _explain(self, request: Request) -> Response:
        self.asked.append(("explain", await request.json()))
        self.question = question()
        return JSONResponse({"id": "q1"}, status_code=202)

    async def _question(self, request: Request) -> Response:
        if request.path_params["id"] != "q1":
            return JSONResponse(
                {"error": {"kind": "NotFound", "message": "there is no question", "hint": ""}}, status_code=404
            )
        return JSONResponse(self.question)

    async def _cancel_question(self, _: Request) -> Response:
        self.asked.append(("cancel question", None))
        self.question |= {"state": "cancelled"}
        return JSONResponse({"cancelled": True})


def question(**more: Any) -> dict[str, Any]:
    """A question under way, or what `more` makes of it."""
    return {
        "id": "q1", "state": "running", "phase": "answering", "started": NOW, "elapsed_s": 3.0, "limit_s": 150.0, "records": 60, "matched": 1204,
        "span": [NOW - 9_000_000, NOW], "measured": [], "opinion": None, "error": None, **more,
    }  # fmt: skip


def _refuse(status: int, message: str) -> Response:
    return JSONResponse(
        {"error": {"kind": "NoEngine", "message": message, "hint": "look at the cards"}}, status_code=status
    )


def pull(model: str, **more: Any) -> dict[str, Any]:
    """A model on its way."""
    return {
        "id": "p1", "server": "ollama", "model": model, "state": "running", "status": "fetching", "started": NOW, "done": 2**29, "total": 2**30,
        "bytes_per_s": 2.0**20, "left_s": 512.0, **more,
    }  # fmt: skip


def trial(**more: Any) -> dict[str, Any]:
    """A model that has answered."""
    figures = {
        "first_token_s": 0.12, "total_s": 1.4, "load_s": 0.5, "prompt_tokens": 30, "answer_tokens": 64, "tokens_per_s": 48.5, "origin": "reported",
        "prompt_tokens_per_s": 250.0, "finish": "stop",
    }  # fmt: skip
    return {
        "id": "t1", "backend": "ollama", "model": "<b>m</b>", "state": "done", "started": NOW, "text": "Because of <i>scattering</i>.\nReally.",
        "figures": figures, "notes": ["One note."], **more,
    }  # fmt: skip


def shelves() -> dict[str, Any]:
    """A server with a model in memory, one for embeddings, one of another machine; names of strangers."""
    models = [
        {"name": "<b>m</b>", "size": 2**30, "quantization": "Q4_K_M", "parameters": "1.0B", "trained_context": 131072, "capabilities": ["completion"],
         "loaded": True, "context": 8192, "memory": 3 * 2**29, "vram": 2**30, "expires": NOW, "chosen": True, "command": "ollama run '<b>m</b>'"},
        {"name": "embed", "size": 2**28, "capabilities": ["embedding"], "chats": False, "command": "ollama run embed"},
        {"name": "far:cloud", "remote_host": "far.example", "refused": "It runs on another machine.", "command": "ollama run far:cloud"},
    ]  # fmt: skip
    told = {"read": True, "parallel": 4, "kv_type": "q8_0", "context": 8192, "keep_alive": "30m"}
    shelf = {
        "server": "ollama",
        "label": "Ollama",
        "address": "http://127.0.0.1:11434",
        "version": "0.24.0",
        "settings": told,
        "models": models,
    }
    return {"shelves": [shelf], "pulls": [], "read_only": False}


def opinion() -> dict[str, Any]:
    """What a model said."""
    cited = {
        "id": "12:34",
        "kind": "record",
        "number": 7,
        "text": "disk <b>full</b>",
        "ts": NOW,
        "level": "error",
        "source": "worker",
    }
    return {
        "text": "The <b>disk</b> is full.", "next_step": "Free some room.", "cited": ["12:34"], "invented": 1, "omitted": 2, "backend": "llamacpp",
        "model": "m", "notice": "A model's opinion.", "seconds": 1.5, "supported": True, "matched": 1204, "records": 60, "citations": [cited],
    }  # fmt: skip
