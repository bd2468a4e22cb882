"""The settings in force, and changing them."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

import logs
from monitor.api.http.answers import json_answer
from monitor.api.http.context import Context
from monitor.api_models.status import SettingInfo, SettingsInfo
from monitor.config.settings import SettingsError

Changes = Annotated[dict[str, Any], Body(examples=[{"store.limit_mb": 4096}], min_length=1, max_length=100)]


def _check_formats(changes: dict[str, Any], own: logs.OwnFormats) -> None:
    """Formats are known to the logs alone."""
    lines = changes.get("logs.formats")
    if isinstance(lines, list):
        try:
            logs.check_forced([str(line) for line in lines], own.read()[0])
        except logs.LogsError as error:
            raise SettingsError({"logs.formats": error.message}) from error


def routes(context: Context) -> APIRouter:
    """`/v1/settings`."""
    router = APIRouter(prefix="/v1/settings", tags=["settings"])

    def answer() -> Response:
        settings = context.settings()
        path = str(settings.path) if settings.path else None
        rows = [SettingInfo(**row) for row in settings.describe()]
        return json_answer(SettingsInfo(path=path, settings=rows, restart_needed=context.restart_needed()))

    @router.get("", response_model=SettingsInfo, summary="All settings and where each value came from")
    async def read() -> Response:
        """Password hashes are left out."""
        return answer()

    @router.put("", response_model=SettingsInfo, summary="Change settings")
    async def write(changes: Changes) -> Response:
        """Checks all, writes the file in one step, applies at once what can be; `null` goes back to the default."""
        secret = {key: f"{key} can only be changed in the file" for key in changes if key in context.settings().SECRET}
        if secret:
            raise SettingsError(secret, hint="`watchkeeper password NAME` creates an entry")
        await asyncio.to_thread(_check_formats, changes, context.log_formats)
        await context.save_settings(changes)
        return answer()

    return router
