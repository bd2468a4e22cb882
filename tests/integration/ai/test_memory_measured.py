"""What was predicted, held against what the worker of the real model then takes."""

import pytest

from ai.backends.llamacpp_embedded import LlamaCppBackend
from ai.core.protocol import complete
from ai.core.types import KvType, LoadSpec
from ai.discovery.files import demo_model
from ai.model_files.memory import predict
from tests.doubles.ai_kit import LoopThread, ask
from tests.examples import sizes


@pytest.mark.parametrize(
    ("context", "parallel", "kv_type"),
    [*sizes((512, 1, "f16"), (8192, 1, "q8_0")), *sizes((8192, 1, "q4_0"), (2048, 4, "f16"))],
)
def test_the_prediction_is_within_a_tenth(
    engine_loop: LoopThread, context: int, parallel: int, kv_type: KvType
) -> None:
    """Resident memory after an answer, against weights + cache + compute + overhead."""
    path = demo_model()
    assert path is not None
    predicted = predict(path, n_ctx=context, n_parallel=parallel, kv_type=kv_type).total

    async def measure() -> float:
        backend = LlamaCppBackend(name="measured")
        try:
            await backend.ensure_loaded(
                LoadSpec("demo", context=context, parallel=parallel, kv_type=kv_type, threads=1)
            )
            await complete(backend, ask("The nurse works in Berlin. " * 6, max_tokens=2))
            peak = (await backend.memory()).peak
            assert peak is not None
            return peak.value
        finally:
            await backend.close()

    measured = engine_loop.run(measure())
    assert measured == pytest.approx(predicted, rel=0.10)
