"""Short measurements in processes of their own: llama.cpp keeps its memory, and a version that does not fit ends that process only."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from ai.worker.process import ROOT, own_environment

_MOST_SAID: Final = 200


class ProbeError(Exception):
    """It could not be measured; the message says why."""


def run_probe(module: str, words: Sequence[str], deadline_s: float) -> bytes:
    """What a probe prints; blocks. Its first argument is this process, with which it ends.

    Raises:
        ProbeError: it failed, or took longer than the deadline.
    """
    command = [sys.executable, "-m", module, str(os.getpid()), *words]
    try:
        done = subprocess.run(command, cwd=ROOT, env=own_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline_s, check=False)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"it took longer than {deadline_s:.0f} s") from error
    except OSError as error:
        raise ProbeError(str(error)[:_MOST_SAID]) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ProbeError(said[:_MOST_SAID] or f"the measuring process ended with code {done.returncode}")
    return done.stdout
