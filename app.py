"""The dashboard: Streamlit's pages, and the routes their components ask.

    python app.py [--host H] [--port P] [--data-dir D] [--config F]

`streamlit run app.py` and `uvicorn app:app` work too; then the address is theirs to bind, and the settings come from the
environment. The main script lies inside `pages/`, which makes a cold deep link (`/logs`) open with frame and navigation.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from monitor.core.this_process import begin_loading

begin_loading()

import streamlit as st

from monitor.core.errors import MonitorError
from pages.server.dashboard import Dashboard, from_arguments
from pages.server.lifespan import lifespan
from pages.server.routes import DashboardRoutes


def _start() -> tuple[Dashboard, DashboardRoutes]:
    """What this process was started with; ends it with a sentence when that cannot be."""
    try:
        dashboard = from_arguments(sys.argv[1:] if __name__ == "__main__" else [], os.environ)
        dashboard.check()
        return dashboard, DashboardRoutes(dashboard)
    except MonitorError as error:
        sys.stderr.write(f"watchkeeper: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        sys.exit(error.exit_code)


dashboard, routes = _start()
app = st.App(
    ROOT / "pages" / "_frame.py",
    routes=routes.routes(),
    middleware=routes.middleware(),
    lifespan=lifespan(dashboard, routes),
)

if __name__ == "__main__":
    sys.argv[0] = str(Path(__file__).resolve())  # Streamlit looks for .streamlit/config.toml beside it
    app.run(config=dashboard.streamlit_options())
