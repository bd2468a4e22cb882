"""`watchkeeper alerts …`: what fires, what fired, and the rules."""

import sys
from typing import Annotated, Any

import typer

from monitor.api_models.events import Alert
from monitor.cli.core.options import DataDir, Group, Json, client_of, command, example
from monitor.cli.core.output import GREEN, RED, YELLOW, clean, clock, paint, print_json, print_table
from monitor.cli.logs import ends
from monitor.cli.services import whoami
from monitor.core.errors import ConfigError

Name = Annotated[str, typer.Argument(metavar="NAME", help="The rule's name.")]
STATES = {"ok": GREEN, "firing": RED, "pending": YELLOW, "unknown": YELLOW}

alerts_app = typer.Typer(
    cls=Group,
    help="Show alerts, and change the rules that they come from.\n\nWithout a command, alerts are listed.",
    epilog=example("watchkeeper alerts list --firing"),
    rich_markup_mode=None,
    no_args_is_help=True,
)


@command(alerts_app, "watchkeeper alerts list --since 24h", name="list")
def show(
    firing: Annotated[bool, typer.Option("--firing", help="Only those that fire now.")] = False,
    rule: Annotated[str | None, typer.Option("--rule", metavar="NAME", help="Only those of this rule.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Not those that were over before: 2h, yesterday 14:00."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only those that began before TIME.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=1, max=5000, help="Show at most COUNT alerts.")
    ] = 50,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List alerts, those that fire now first."""
    with client_of(data_dir) as client:
        found = client.alerts.all({"firing": firing or None, "rule": rule, **ends(since, until)}, limit=limit)
    if as_json:
        print_json(found.model_dump())
        return
    if not found.alerts:
        print("No alerts." if not firing else "No alert fires.")
        return
    print_table(("began", "state", "rule", ""), [_row(alert) for alert in found.alerts])


def _row(alert: Alert) -> tuple[str, ...]:
    state = "firing" if alert.ended is None else f"over {clock(alert.ended, until='minute')}"
    noted = f" (noted by {alert.acknowledged_by or 'somebody'})" if alert.acknowledged else ""
    many = f", {alert.count} times" if alert.count > 1 and alert.kind != "metric" else ""
    return clock(alert.started), state, clean(alert.rule), f"{clean(alert.message)}{many}{noted}"


@command(alerts_app, "watchkeeper alerts rules")
def rules(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the rules, how they stand, and who is notified."""
    with client_of(data_dir) as client:
        found = client.alerts.rules()
    if as_json:
        print_json(found.model_dump())
        return
    rows = [
        (one.name, paint(one.state, STATES.get(one.state, "")), one.now or "-", f"{one.told}{f' ({one.trouble})' if one.trouble else ''}")
        for one in found.rules
    ]  # fmt: skip
    print_table(("rule", "state", "now", "watches"), rows)
    to = found.notifications
    print(f"\nNotifications: {', '.join(to.to) or 'none; set alerts.webhook or alerts.command'}")
    if to.trouble:
        print(f"{paint('warning', YELLOW, sys.stderr)} the last one failed: {clean(to.trouble)}", file=sys.stderr)


@command(alerts_app, "watchkeeper alerts add 'out of memory' --records 'level>=error \"out of memory\"'")
def add(
    name: Name,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", metavar="NAME", help="Watch a reading, such as cpu_pct, disk.used_pct or process.rss."
        ),
    ] = None,
    of: Annotated[str | None, typer.Option("--of", metavar="WHICH", help="Which mount point, GPU or process.")] = None,
    above: Annotated[
        str | None, typer.Option("--above", metavar="VALUE", help="Fire above this value, such as 95 or '20 GiB'.")
    ] = None,
    below: Annotated[str | None, typer.Option("--below", metavar="VALUE", help="Fire below this value.")] = None,
    change: Annotated[
        str | None, typer.Option("--change", metavar="PERCENT", help="Fire so far from the usual, such as -50 or +100.")
    ] = None,
    clear: Annotated[
        str | None, typer.Option("--clear", metavar="VALUE", help="Over on the other side of this value.")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="Fire after so long beyond it.")
    ] = None,
    records: Annotated[
        str | None, typer.Option("--records", metavar="QUERY", help="Watch log records that a query finds.")
    ] = None,
    fails: Annotated[
        str | None, typer.Option("--fails", metavar="PROCESS", help="Watch for failures of a process or service.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="COUNT", help="Fire after so many records or failures.")
    ] = None,
    within_s: Annotated[
        float | None, typer.Option("--within", metavar="SECONDS", help="Count them in this time.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Switch the rule off.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show it on the pages, notify nobody.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add a rule, or change one that is there."""
    given: dict[str, Any] = {
        "metric": metric, "of": of, "above": _plain(above), "below": _plain(below), "change": _plain(change), "clear": _plain(clear), "for_s": for_s, "records": records,
        "fails": fails, "count": count, "within_s": within_s,
    }  # fmt: skip
    settings = {key: value for key, value in given.items() if value is not None}
    settings |= {"enabled": False} if off else {"enabled": None}
    settings |= {"notify": False} if quiet else {"notify": None}
    with client_of(data_dir) as client:
        found = client.alerts.save(name, settings, by=whoami())
    one = next((rule for rule in found.rules if rule.name in {name, name.strip()}), None)
    if one is None:
        raise ConfigError(f"the rule {name} was not saved", hint="`watchkeeper alerts rules` lists them")
    print_json(one.model_dump()) if as_json else print(f"{one.name}: {one.told}")


def _plain(value: str | None) -> float | str | None:
    """A number as a number; `20 GiB` stays as it is written."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


@command(alerts_app, "watchkeeper alerts remove 'out of memory'")
def remove(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Remove a rule from the settings."""
    with client_of(data_dir) as client:
        client.alerts.remove(name, by=whoami())
    print_json({"removed": name}) if as_json else print(f"removed {name}")


@command(alerts_app, "watchkeeper alerts acknowledge 'disk full'")
def acknowledge(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The rule whose alerts are noted.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take note of what fires, so that it leaves the status."""
    with client_of(data_dir) as client:
        found = client.alerts.all({"firing": True, "rule": name})
        if not found.alerts:
            raise ConfigError(f"no alert of {name} fires", hint="`watchkeeper alerts list --firing` lists what fires")
        noted = [client.alerts.acknowledge(alert.id, by=whoami()) for alert in found.alerts]
    print_json({"alerts": [one.model_dump() for one in noted]}) if as_json else print(f"noted {len(noted)}")


@command(alerts_app, "watchkeeper alerts test", name="test")
def send_test(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Send a notification as a test."""
    with client_of(data_dir) as client:
        found = client.alerts.test(by=whoami())
    print_json(found.model_dump()) if as_json else print(f"sent to {', '.join(found.to)}")
