"""Services: their states, and starting, stopping and changing them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Request
from starlette.responses import Response

from monitor.api.acting.gate import acting, undone
from monitor.api.http.answers import blocking, json_answer
from monitor.api.http.context import Context
from monitor.api.runs.detail import memory_ends
from monitor.api_models.actions import Asked
from monitor.api_models.services import Service, ServiceChange, ServiceDetail, ServiceEvent, Services
from monitor.core.errors import REPORTED, ConfigError
from monitor.services.supervisor import AVAILABLE

Name = Annotated[str, Path(description="The service's name.", max_length=100)]
EVENTS = 100
_KILLED: Final = 9
"""SIGKILL, which not every system names."""


def routes(context: Context) -> APIRouter:
    """`/v1/services`."""
    router = APIRouter(prefix="/v1/services", tags=["services"])
    _readings(router, context)
    _actions(router, context)
    return router


def _readings(router: APIRouter, context: Context) -> None:
    kept = context.services

    @router.get("", response_model=Services, summary="All services and their states")
    async def every(request: Request) -> Response:
        """By name."""
        read_only = context.settings().actions.read_only
        return json_answer(
            Services(
                services=await _explained(request, context, _named(context, kept.services())),
                available=AVAILABLE,
                read_only=read_only,
                trouble=kept.trouble,
            )
        )

    @router.get("/{name}", response_model=ServiceDetail, summary="One service with its settings and events")
    async def one(request: Request, name: Name) -> Response:
        """Values of environment variables are left out: there may be secrets. Those in the command and in checks are hidden."""
        service, folder, settings = kept.service(name), kept.folder(name), kept.settings_of(name)
        found = await blocking(request, lambda: list(folder.events())[-EVENTS:])
        table: dict[str, Any] = {}
        if settings is not None:
            table = settings.model_dump(exclude_unset=True)
            plain = service.command == settings.line
            table["command"] = settings.command if plain else service.command  # with secrets hidden
            table["environment"] = dict.fromkeys(table.get("environment", {}))
            for check in {"ready", "liveness"} & table.keys():
                table[check] = {
                    key: kept.mask(what.split(" ")) if key in {"http", "command"} and what else what
                    for key, what in (table[check] or {}).items()
                } or None
        known = ServiceEvent.model_fields
        events = [ServiceEvent(**{key: value for key, value in event.items() if key in known}) for event in found]
        (service,) = await _explained(request, context, _named(context, [service]))
        return json_answer(ServiceDetail(service=service, settings=table, events=events))


def _actions(router: APIRouter, context: Context) -> None:
    kept = context.services

    def gate(action: str) -> list[Any]:
        return [acting(context, f"service {action}", "{name}")]

    async def audited(
        request: Request, action: str, name: str, by: str, work: Callable[[], Awaitable[Service | None]]
    ) -> Response:
        """Do it, and record what came of it."""
        try:
            service = await work()
        except REPORTED as error:
            undone(context, error, f"service {action}", by, target=name)
            raise
        whose = None if service is None else service.last_run if action == "stop" else service.run
        run = None if whose is None else int(whose)
        state = "removed" if service is None else service.state
        pid = None if service is None else service.pid
        context.audit.record(f"service {action}", name, actor=by, pid=pid, run=run, state=state)
        shown = await _explained(request, context, _named(context, [] if service is None else [service]))
        return json_answer(shown[0] if shown else {})

    @router.post("/{name}/start", response_model=Service, summary="Start a service", dependencies=gate("start"))
    async def start(request: Request, name: Name, asked: Asked) -> Response:
        """And what it depends on. Answers once it runs or failed, or after three seconds."""
        return await audited(request, "start", name, asked.by, lambda: kept.start(name, asked.by))

    @router.post("/{name}/stop", response_model=Service, summary="Stop a service", dependencies=gate("stop"))
    async def stop(request: Request, name: Name, asked: Asked) -> Response:
        """And all processes below it. Answers once they are gone."""
        return await audited(request, "stop", name, asked.by, lambda: kept.stop(name, asked.by))

    @router.post("/{name}/restart", response_model=Service, summary="Restart a service", dependencies=gate("restart"))
    async def restart(request: Request, name: Name, asked: Asked) -> Response:
        """With its settings as they are now."""
        return await audited(request, "restart", name, asked.by, lambda: kept.restart(name, asked.by))

    @router.put(
        "/{name}", response_model=Service, summary="Add a service, or change its settings", dependencies=gate("change")
    )
    async def change(request: Request, name: Name, asked: Annotated[ServiceChange, Body()]) -> Response:
        """Keys that are not given stay as they are. A service that runs takes its new settings at its next start. With `new`, only an unknown name is taken."""
        known = {service.name for service in kept.services()}
        settings = kept.settings_of(name) if name in known else None
        before = settings.model_dump(exclude_unset=True) if settings else {}
        table = merged({"name": name, **before}, asked.settings)
        action = "add" if asked.new or not settings else "change"
        return await audited(request, action, name, asked.by, lambda: kept.save(name, table, new=asked.new))

    @router.delete("/{name}", summary="Remove a service from the settings, and stop it", dependencies=gate("remove"))
    async def remove(request: Request, name: Name, asked: Asked) -> Response:
        """Refused while another service depends on it."""

        async def work() -> Service | None:
            refuse_needed(kept.service(name))
            return await kept.save(name, None)

        return await audited(request, "remove", name, asked.by, work)


def _named(context: Context, services: list[Service]) -> list[Service]:
    """Services with the names of their log sources: another file may have had that of a service before."""
    log = context.logs()
    names = {} if log is None else log.sources_by_path()
    taken = set(names.values())
    coming = {one.name: f"service/{one.name}" if one.name in taken else one.name for one in services}
    return [one.model_copy(update={"source": names.get(one.output, coming[one.name])}) for one in services]


async def _explained(request: Request, context: Context, services: list[Service]) -> list[Service]:
    """Services, those that failed with what they said last, and those that ended as memory ran out with that: their shims only hear of a signal."""
    killed = [int(one.ended_run) for one in services if one.exit_signal == _KILLED and one.ended_run is not None]

    def look() -> tuple[dict[int, str], list[str | None]]:
        said = [context.last_words(one) for one in services]
        try:
            return memory_ends(context.store, killed) if killed else {}, said
        except REPORTED:  # the store's trouble is told where it belongs; services are shown without it
            return {}, said

    if not any(one.exit_code or one.exit_signal for one in services):
        return services
    why, said = await blocking(request, look)
    return [
        one.model_copy(
            update={
                "ended_with": why.get(int(one.ended_run), one.ended_with) if one.ended_run else one.ended_with,
                "last_error": last,
            }
        )
        for one, last in zip(services, said, strict=True)
    ]


def refuse_needed(service: Service) -> None:
    """Refuse to remove what others depend on.

    Raises:
        ConfigError: they are named.
    """
    if service.needed_by:
        others = ", ".join(service.needed_by)
        verb = "depends" if len(service.needed_by) == 1 else "depend"
        raise ConfigError(f"{service.name} cannot be removed: {others} {verb} on it", hint=f"remove {others} first")


def merged(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A service's table with changes: null is the default; a variable of the environment whose value is null keeps it."""
    after = {key: value for key, value in {**before, **changes}.items() if value is not None}
    environment = changes.get("environment")
    if isinstance(environment, dict):
        kept = before.get("environment", {})
        after["environment"] = {
            key: kept.get(key, "") if value is None else value for key, value in environment.items()
        }
    return after
