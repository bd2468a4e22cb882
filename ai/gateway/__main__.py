"""`python -m ai.gateway`: started by the agent, and by nobody else."""

import asyncio
import gc
import signal

from ai.gateway.server import serve


def main() -> None:
    """Serve until standard input closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole terminal; whoever started this process ends it
    gc.collect()
    gc.freeze()
    asyncio.run(serve())


main()
