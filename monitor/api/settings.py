"""The settings in force, and changing them."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

import logs
from monitor import models
from monitor.api.answers import json_answer
from monitor.api.context import Context
from monitor.settings import SettingsError

Changes = Annotated[dict[str, Any], Body(examples=[{"store.limit_mb": 4096}], min_length=1, max_length=100)]


def _check_formats(changes: dict[str, Any]) -> None:
    """Formats are known to the logs alone."""
    lines = changes.get("logs.formats")
    if isinstance(lines, list):
        try:
            logs.check_forced([str(line) for line in lines])
        except logs.LogsError as error:
            raise SettingsError({"logs.formats": error.message}) from error


def routes(context: Context) -> APIRouter:
    """`/v1/settings`."""
    router = APIRouter(prefix="/v1/settings", tags=["settings"])

    def answer() -> Response:
        settings = context.settings()
        path = str(settings.path) if settings.path else None
        rows = settings.describe()
        return json_answer({"path": path, "settings": rows, "restart_needed": context.restart_needed()})

    @router.get("", response_model=models.SettingsInfo, summary="All settings and where each value came from")
    async def read() -> Response:
        """Password hashes are left out."""
        return answer()

    @router.put("", response_model=models.SettingsInfo, summary="Change settings")
    async def write(changes: Changes) -> Response:
        """Checks all, writes the file in one step, applies at once what can be; `null` goes back to the default."""
        secret = {key: f"{key} can only be changed in the file" for key in changes if key in context.settings().SECRET}
        if secret:
            raise SettingsError(secret, hint="`watchkeeper password` makes an entry")
        _check_formats(changes)
        await context.save_settings(changes)
        return answer()

    return router
