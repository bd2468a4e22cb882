"""The installed `watchkeeper` package: one module that finds the others.

In a wheel `monitor`, `logs`, `ai` and `pages` lie beside this file, under `watchkeeper/`, so that
no such common name lands in site-packages; in a checkout they lie in the project's root, which the
editable install puts on the path. Either way the code says `from monitor…`.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line (`watchkeeper …`)."""
    here = Path(__file__).resolve().parent
    if (here / "monitor").is_dir():
        sys.path.insert(0, str(here))
    from monitor.cli import main as run

    run()
