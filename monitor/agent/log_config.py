"""The agent's own log."""

import logging
import os
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from monitor.core.paths import DataFiles

CHATTY: Final = ("httpx", "httpcore", "uvicorn.error", "uvicorn.access")


def configure_logging(data_dir: Path, *, foreground: bool) -> None:
    """Write the agent's log to `agent.log` (5 MB, three older files kept) and, in the foreground, to standard error."""
    handlers: list[logging.Handler] = []
    try:
        path = DataFiles(data_dir).agent_log
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        handlers.append(RotatingFileHandler(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8"))
    except OSError as error:
        foreground = True
        logging.getLogger("watchkeeper").warning("agent.log cannot be written: %s", error)
    if foreground:
        handlers.append(logging.StreamHandler())
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in handlers:
        handler.setFormatter(form)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.INFO)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    threading.excepthook = lambda args: logging.getLogger("watchkeeper.agent").error(
        "thread %s failed", args.thread.name if args.thread else "?", exc_info=args.exc_value
    )
