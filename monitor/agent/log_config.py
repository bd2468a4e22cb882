"""The agent's own log."""

import logging
import threading
from pathlib import Path
from typing import Final

from monitor.core.log_file import LogFile
from monitor.core.paths import DataFiles

CHATTY: Final = ("httpx", "httpcore", "uvicorn.error", "uvicorn.access")


def configure_logging(data_dir: Path, *, foreground: bool) -> None:
    """Write the agent's log to `agent.log` as JSON lines (`monitor.core.log_file`) and, in the foreground, as text to standard error."""
    handlers: list[logging.Handler] = []
    try:
        handlers.append(LogFile(DataFiles(data_dir).agent_log))
    except OSError as error:
        foreground = True
        logging.getLogger("watchkeeper").warning("agent.log cannot be written: %s", error)
    if foreground:
        text = logging.StreamHandler()
        text.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(text)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    threading.excepthook = lambda args: logging.getLogger("watchkeeper.agent").error(
        "thread %s failed", args.thread.name if args.thread else "?", exc_info=args.exc_value
    )
