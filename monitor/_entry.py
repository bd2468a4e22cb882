"""The package `watchkeeper`: the command line, and the names that programs use (`from watchkeeper import analyze_job_content`).

In a wheel, `monitor`, `logs`, `ai` and `pages` are folders under `watchkeeper/`, so that no such common name lands in site-packages. In
a checkout they are in the project's root, which the editable install puts on the path. In both, the code says `from monitor…`.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the command line (`watchkeeper …`)."""
    if (HERE / "monitor").is_dir():
        sys.path.insert(0, str(HERE))
    from monitor.core.this_process import begin_loading

    begin_loading()
    from monitor.cli.app import main as run

    run()


def __getattr__(name: str) -> Any:
    """A name of `monitor.library`, loaded at its first use."""
    if name == "__all__":
        return list(_library().NAMES)
    if name.startswith("_"):
        raise AttributeError(name)
    library = _library()
    if name not in library.NAMES:
        msg = f"module 'watchkeeper' has no attribute {name!r}; it has {', '.join(library.NAMES)}"
        raise AttributeError(msg)
    if (HERE / "monitor").is_dir():
        _check_ours("ai")
        if name in library.USES_LOGS:
            _check_ours("logs")
    return library.load(name)


def __dir__() -> list[str]:
    """The names that programs use, as an editor offers them."""
    return sorted(_library().NAMES)


def _library() -> Any:
    if (HERE / "monitor").is_dir():
        if str(HERE) not in sys.path:
            sys.path.append(str(HERE))  # behind everything: it must not hide a program's own modules
        _check_ours("monitor")
    from monitor import library

    return library


def _check_ours(package: str) -> None:
    """Raise an ImportError with the reason where another module of this name was imported or comes first on the path."""
    found = importlib.import_module(package)
    if HERE not in Path(found.__file__ or "").resolve().parents:
        msg = f"another module called {package!r} hides Watchkeeper's: {found.__file__}; rename it"
        raise ImportError(msg)
