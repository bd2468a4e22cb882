"""A worker without an engine: starts, guards itself and beats as the real one does, then behaves as its "model" says."""

import os
import signal
import subprocess
import sys
import threading
import time

from ai.worker.guard import Link, die_with, limit, own_output, watch_input
from ai.worker.messages import WorkerConfig

MIB = 1024 * 1024


def main() -> int:
    """Behave."""
    link = Link(own_output())
    config = WorkerConfig.of(sys.stdin.buffer.readline())
    die_with(config.parent)
    if config.model != "deaf":
        watch_input()
    limit(config)
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    threading.Thread(target=link.beat_for_ever, daemon=True).start()
    children: list[int] = []
    hoard: list[bytearray] = []
    match config.model:
        case "never ready":
            time.sleep(600)
        case "bad file":
            sys.stderr.write("0.1 E load: error: tensor 7 is missing\n")
            sys.stderr.flush()
            link.say(t="failed", kind="bad model", message="cannot load this model.")
            return 3
        case "big load":
            try:
                hoard.extend(bytearray(64 * MIB) for _ in range(32))
            except MemoryError:
                link.say(t="failed", kind="out of memory", message="no room")
                return 3
        case "family":
            children = [
                subprocess.Popen(["/bin/sleep", "600"]).pid,
                subprocess.Popen(["/bin/sleep", "600"], start_new_session=True).pid,
            ]
    print("noise on standard output")  # must not reach the parent as a message
    link.say(t="ready", load_s=0.0, children=children)
    while True:
        time.sleep(0.02)
        if config.model == "grow":
            hoard.append(bytearray(os.urandom(MIB)) * 8)


if __name__ == "__main__":
    sys.exit(main())
