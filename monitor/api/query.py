"""A person's own read-only SQL."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from monitor import models
from monitor.api.answers import arrow_answer, asked, json_answer, wants_arrow
from monitor.api.context import Context
from monitor.sqlvalues import plain_rows


def routes(context: Context) -> APIRouter:
    """`/v1/query`."""
    router = APIRouter(prefix="/v1", tags=["query"])

    @router.post("/query", response_model=models.QueryAnswer, summary="One read-only SELECT over the store (Arrow too)")
    async def query(request: Request, question: models.QueryRequest) -> Response:
        """No files, no network, no settings; ends after 30 s. Times come as ISO 8601, runs as decimal strings."""
        table = await asked(request, context.store, lambda store: store.select(question.sql, limit=question.limit + 1))
        truncated = table.num_rows > question.limit
        table = table.slice(0, question.limit)
        if wants_arrow(request):
            return arrow_answer(table)
        return json_answer({"columns": table.column_names, "rows": plain_rows(table), "truncated": truncated})

    return router
