"""A worker: `python -m ai.worker.main`, started by the supervisor and by nobody else."""

import sys
import threading
import time

from ai.worker.guard import Link, die_with, limit, own_output, watch_input
from ai.worker.messages import Loaded, LoadFailed, WorkerConfig


def main() -> int:
    """Read the configuration, load the engine, serve until killed."""
    link = Link(own_output())
    config = WorkerConfig.of(sys.stdin.buffer.readline())
    die_with(config.parent)
    watch_input()
    limit(config)
    threading.Thread(target=link.beat_for_ever, name="beat", daemon=True).start()
    begun = time.perf_counter()
    try:
        run, info = _load(config)
    except LoadFailed as error:
        link.say(t="failed", kind=error.kind, message=str(error)[:500])
        return 3
    except MemoryError:
        link.say(t="failed", kind="out of memory", message="The memory limit was reached while loading.")
        return 3
    link.say(t="ready", load_s=time.perf_counter() - begun, **info)
    run(link.say)
    return 0


def _load(config: WorkerConfig) -> Loaded:
    """Only the engine that is asked for is imported."""
    if config.engine == "llamacpp":
        from ai.worker.engines import llamacpp

        return llamacpp.load(config)
    from ai.worker.engines import exllama

    return exllama.load(config)


if __name__ == "__main__":
    sys.exit(main())
