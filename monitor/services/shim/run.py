"""`python -I -S run.py FILES FOLDER…`: starts a shim for each folder, and ends when all of them can be reached.

FILES is the soft limit of open files that services get; empty: the one that there is.

A script and not a module, so that a shim loads nothing else. All are forked from this process, and share what it has loaded. Prints one JSON object:
why a shim did not start, by folder; `busy` where another one runs.
"""

import gc
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))

from monitor.services.shim.claim import Elsewhere
from monitor.services.shim.shim import Busy, Shim


def serve(folder: str, says: int) -> None:
    """Be the shim of a folder; says an empty line once it can be reached, else why not."""
    os.setsid()
    try:
        shim = Shim(folder)
        output = os.open("shim.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
    except Busy:
        os.write(says, b"busy")
        return
    except Elsewhere as error:
        os.write(says, str(error).encode("utf-8", "replace"))
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        os.write(says, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        return
    os.close(says)
    shim.run()


def main(files: str, *folders: str) -> None:
    """Start all shims."""
    if files:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    gc.freeze()
    troubles = {}
    for folder in folders:
        said, says = os.pipe()
        if os.fork() == 0:
            os.close(said)
            serve(folder, says)
            os._exit(0)
        os.close(says)
        with os.fdopen(said, "rb") as answer:
            trouble = answer.read()
        if trouble:
            troubles[folder] = trouble.decode("utf-8", "replace")
    print(json.dumps(troubles))  # noqa: T201 - the answer to the agent


if __name__ == "__main__":
    main(*sys.argv[1:])
