"""The engines of this machine, put to work: what the agent and the command line ask.

desk = AiDesk(config, look, records=records)          # everything below runs in one event loop
await desk.backends(); await desk.analyze(text); desk.benchmarks.start(options); await desk.close()

thread = AiThread(lambda: AiDesk(...))                # that loop on a thread of its own, begun at the first question
await thread.call(lambda desk: desk.backends(), deadline_s=10); thread.stop()
"""

from ai.service.bench import BenchmarkBusy, BenchmarkDesk, NoEngine
from ai.service.config import AiConfig
from ai.service.desk import AiDesk
from ai.service.options import BenchmarkOptions
from ai.service.records import NoRecords, Records, StoreRecords
from ai.service.thread import AiThread, TooSlow

__all__ = [
    "AiConfig",
    "AiDesk",
    "AiThread",
    "BenchmarkBusy",
    "BenchmarkDesk",
    "BenchmarkOptions",
    "NoEngine",
    "NoRecords",
    "Records",
    "StoreRecords",
    "TooSlow",
]
