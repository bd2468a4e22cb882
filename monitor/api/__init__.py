"""The agent's HTTP and WebSocket interface (`docs/design.md` §4 and §5), one module per noun."""

from monitor.api.app import create_app
from monitor.api.http.context import Context

__all__ = ["Context", "create_app"]
