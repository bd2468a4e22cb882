"""The models of servers: listed, fetched, loaded, let go, deleted; and a model that a person tries. What changes something is audited."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from ai.core.errors import AiError, BackendError, BadRequest, BenchmarkBusy, ModelMissing, NoEngine, NothingToUse
from ai.shapes.shelf import Pull, Trial
from monitor.api.acting.gate import acting, undone
from monitor.api.ai.asking import ASK_S, Asking, refused
from monitor.api.http.answers import json_answer
from monitor.api.http.context import Context
from monitor.api.http.errors import NotFound
from monitor.api_models import ai as ai_models
from monitor.api_models.actions import Asked
from monitor.core.errors import REPORTED

if TYPE_CHECKING:
    from ai.service.service import AiService

LOAD_S: Final = 310.0
TUNE_S: Final = 150.0


def add_models(router: APIRouter, context: Context, asking: Asking) -> None:
    """`/v1/ai/models`, `/v1/ai/try`, and the search for settings."""
    _listed(router, context, asking)
    _changes(router, context, asking)
    _fetches(router, context, asking)
    _trials(router, asking)
    _tuning(router, context, asking)


def _listed(router: APIRouter, context: Context, asking: Asking) -> None:
    @router.get("/models", response_model=ai_models.ModelShelves, summary="The models of each Ollama, asked now")
    async def listed() -> Response:
        """With size, quantisation, context, what they can do, what is in memory and for how long; and what is on its way."""
        found = await asking.ask(lambda service: service.shelf.listed())
        read_only = context.settings().actions.read_only
        return json_answer(ai_models.ModelShelves(**dict(found), read_only=read_only))

    @router.get("/models/pulls", response_model=ai_models.Pulls, summary="Models on their way to a server")
    async def pulls() -> Response:
        """Asks no server."""

        async def look(service: "AiService") -> list[Pull]:
            return service.shelf.pulls()

        return json_answer(ai_models.Pulls(pulls=await asking.ask(look)))


def _changes(router: APIRouter, context: Context, asking: Asking) -> None:
    acts = _Acting(context, asking)

    @router.post(
        "/models/load", response_model=ai_models.ShelfModel, summary="Load a model", dependencies=gate(context, "load")
    )
    async def load(wanted: ai_models.ModelLoad) -> Response:
        """Answers once it is in memory. 409 while a benchmark runs."""
        return await acts.do(
            "load",
            wanted,
            lambda service: service.shelf.load(
                wanted.server, wanted.model, context=wanted.context, keep_alive=wanted.keep_alive
            ),
            deadline_s=LOAD_S,
        )

    @router.post(
        "/models/unload",
        response_model=ai_models.ShelfModel,
        summary="Free a model's memory",
        dependencies=gate(context, "unload"),
    )
    async def unload(wanted: ai_models.ModelAction) -> Response:
        """It is loaded again when it is asked. 409 while a benchmark runs."""
        return await acts.do("unload", wanted, lambda service: service.shelf.unload(wanted.server, wanted.model))

    @router.post(
        "/models/delete",
        response_model=ai_models.ModelDeleted,
        summary="Delete a model from disk",
        dependencies=gate(context, "delete"),
    )
    async def delete(wanted: ai_models.ModelAction) -> Response:
        """It has to be fetched again. 409 while a benchmark runs."""

        async def remove(service: "AiService") -> ai_models.ModelDeleted:
            freed = await service.shelf.delete(wanted.server, wanted.model)
            return ai_models.ModelDeleted(server=wanted.server, model=wanted.model, freed=freed)

        return await acts.do("delete", wanted, remove)


def _fetches(router: APIRouter, context: Context, asking: Asking) -> None:
    acts = _Acting(context, asking)

    @router.post(
        "/models/pull",
        response_model=ai_models.Pull,
        status_code=202,
        summary="Fetch a model",
        dependencies=gate(context, "pull"),
    )
    async def pull(wanted: ai_models.ModelAction) -> Response:
        """The server fetches it from its registry; `GET /v1/ai/models/pulls` tells how far it is."""
        return await acts.do(
            "pull", wanted, lambda service: service.shelf.pull(wanted.server, wanted.model), status=202
        )

    @router.post(
        "/models/pulls/{pull}/cancel",
        response_model=ai_models.Cancelled,
        summary="Stop a fetch",
        dependencies=[acting(context, "model pull stop", "{pull}")],
    )
    async def cancel(pull: str, asked: Asked) -> Response:
        """What has arrived stays with the server, which goes on from there the next time."""
        ended = await asking.ask(lambda service: service.shelf.cancel(pull))
        if ended is not None:
            context.audit.record("model pull stop", ended.model, actor=asked.by, server=ended.server)
        return json_answer(ai_models.Cancelled(cancelled=ended is not None))


def _trials(router: APIRouter, asking: Asking) -> None:
    @router.post("/try", response_model=ai_models.Trial, status_code=202, summary="Ask a model of an engine")
    async def start(wanted: ai_models.TryRequest) -> Response:
        """`GET /v1/ai/try/{id}` has what it says. Nothing of it is stored. 409 while a benchmark runs."""
        try:
            found = await asking.ask_of_newest(
                lambda service: service.trials.start(
                    wanted.backend, wanted.model, wanted.messages, max_tokens=wanted.max_tokens
                )
            )
        except AiError as error:
            return refused(error, _status(error))
        return json_answer(found, status=202)

    @router.get("/try/{trial}", response_model=ai_models.Trial, summary="What a model has said so far, and its figures")
    async def state(trial: str) -> Response:
        """The newest trials are kept."""

        async def look(service: "AiService") -> Trial | None:
            return service.trials.state(trial)

        found = await asking.ask(look)
        if found is None:
            raise NotFound("there is no such trial", hint="it may be too old; ask again")
        return json_answer(found)

    @router.post("/try/{trial}/cancel", response_model=ai_models.Cancelled, summary="Stop a model that answers")
    async def cancel(trial: str) -> Response:
        """What it has said is kept."""
        return json_answer(
            ai_models.Cancelled(cancelled=await asking.ask(lambda service: service.trials.cancel(trial)))
        )


def _tuning(router: APIRouter, context: Context, asking: Asking) -> None:
    @router.post(
        "/backends/{backend}/tune", response_model=ai_models.Tuned, summary="Find the fastest settings of the embedded engine",
        dependencies=[acting(context, "engine tune", "{backend}")],
    )  # fmt: skip
    async def tune(backend: str, asked: Asked) -> Response:
        """About 15 seconds. What is faster is used from now on; `POST …/reset` undoes it. 409 while a benchmark runs."""
        try:
            found = await asking.ask(lambda service: service.tuner.tune(backend[:200]), TUNE_S)
        except REPORTED as error:
            undone(context, error, "engine tune", asked.by, target=backend[:200])
            if isinstance(error, AiError):
                return refused(error, _status(error))
            raise
        context.audit.record("engine tune", backend[:200], actor=asked.by, settings=found.settings, kept=found.kept)
        return json_answer(found)


def gate(context: Context, action: str) -> list[Any]:
    """What a route needs that acts on a model."""
    return [acting(context, f"model {action}", "{model}")]


class _Acting:
    """Does what a person asks for, records who did it and what came of it, and looks at the engines again."""

    def __init__(self, context: Context, asking: Asking) -> None:
        self._context, self._asking = context, asking

    async def do(
        self,
        action: str,
        wanted: ai_models.ModelAction,
        work: "Callable[[AiService], Awaitable[object]]",
        *,
        deadline_s: float = ASK_S,
        status: int = 200,
    ) -> Response:
        """The answer, or the refusal."""
        try:
            found = await self._asking.ask(work, deadline_s)
        except REPORTED as error:
            undone(self._context, error, f"model {action}", wanted.by, target=wanted.model)
            if isinstance(error, AiError):
                return refused(error, _status(error))
            raise
        self._context.audit.record(f"model {action}", wanted.model, actor=wanted.by, server=wanted.server)
        await self._context.engines.refresh()
        return json_answer(found, status=status)


def _status(error: AiError) -> int:
    if isinstance(error, BenchmarkBusy):
        return 409
    if isinstance(error, NoEngine | ModelMissing | NothingToUse):
        return 404
    return 400 if isinstance(error, BadRequest) else 503 if isinstance(error, BackendError) else 500
