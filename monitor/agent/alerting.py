"""Puts the alerts together."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from monitor.health.alerts import Alerts
from monitor.health.notify import Notifier
from monitor.health.rates import Rates
from monitor.jobs.view import JobView

if TYPE_CHECKING:
    from monitor.agent.agent import Agent


def alerts_of(
    agent: "Agent", environ: Mapping[str, str], changed: Callable[[], None], on_loop: Callable[..., object]
) -> Alerts:
    """The alerts of an agent that has its store, its writer and its events. See `Alerts` for the rest."""

    def stuck() -> tuple[float, float]:
        return agent.settings.jobs.stuck_factor, agent.settings.jobs.stuck_least_s

    return Alerts(
        snapshot=agent.snapshot,
        events=agent.events,
        store=agent.store,
        writer=agent.writer,
        notifier=Notifier(lambda: agent.settings.alerts, lambda: dict(environ)),
        rates=Rates(JobView(agent.store, agent.host_name, stuck).workers),
        host=agent.host_name,
        mask=agent.masker.mask_text,
        changed=changed,
        on_loop=on_loop,
        over=lambda: agent.settings.alerts.over,
    )
