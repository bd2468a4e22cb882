"""`watchkeeper gateway …`: the one address for every program that asks a model, its keys and its calls."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.core.options import DataDir, Group, Json, client_of, command, example
from monitor.cli.core.output import GREEN, RED, YELLOW, clean, clock, paint, print_json, print_table, size
from monitor.core import paths
from monitor.core.errors import AgentUnreachable, ConfigError

if TYPE_CHECKING:
    from ai.gateway.link.keys import KeyFile

gateway_app = typer.Typer(
    name="gateway",
    cls=Group,
    epilog=example("watchkeeper gateway status"),
    help="Give programs one address for all model engines.\n\n"
    "Switch it on with `watchkeeper settings set gateway.enabled true`. It speaks OpenAI's and Ollama's API; the model `auto` "
    "is answered by the engine that the policy chooses.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
key_app = typer.Typer(
    name="key",
    cls=Group,
    epilog=example("watchkeeper gateway key add notebook"),
    help="Make, list and remove the keys of programs.\n\nWithout a command, they are listed.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
gateway_app.add_typer(key_app, name="key")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the key, such as that of the program.")]


def status(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show address, engines, keys and the calls under way."""
    with client_of(data_dir) as client:
        found = client.gateway.status()
    if as_json:
        print_json(found.model_dump())
        return
    colours = {"running": GREEN, "off": YELLOW, "starting": YELLOW}
    print(f"{paint(found.state, colours.get(found.state, RED))}{f' at {found.address}' if found.address else ''}")
    if found.message:
        print(f"  {clean(found.message)}")
    if not found.enabled:
        print("  Switch it on: watchkeeper settings set gateway.enabled true")
        return
    print(
        f"  OpenAI's API: {found.address}/v1 · Ollama's API: {found.address}" if found.address else "  No address yet"
    )
    held = f", {size(found.rss)} of memory" if found.rss else ""
    print(f"  {found.active} calls under way, {found.waiting} waiting, {found.answered} answered since its start{held}")
    if found.lost:
        print(f"  {found.lost} calls could not be recorded")
    for engine in found.engines:
        note = f" (left alone: {clean(engine.resting)})" if engine.resting else ""
        print(f"  engine {clean(engine.name)}: {clean(engine.model or 'no model that chats')}{note}")
    for name, why in found.excluded.items():
        print(f"  not used: {clean(name)}, {clean(why)}")
    needed = "needed" if found.require_key else "not needed (gateway.require_key)"
    print(f"  {len(found.keys)} key{'s' if len(found.keys) != 1 else ''}; a key is {needed}")
    for call in found.calls:
        who = call.program or call.key or "unknown program"
        print(f"  {call.phase.ljust(9)} {clean(who)} → {clean(call.model or call.wanted or 'auto')}")


def calls(
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=1, max=1000, help="Number of calls.")
    ] = 20,
    usage: Annotated[bool, typer.Option("--usage", help="Sum up the last day by program and model instead.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show who asked which model, how much and how fast."""
    with client_of(data_dir) as client:
        found = client.gateway.calls(limit)
    if as_json:
        print_json(found.model_dump())
    elif usage:
        rows = [
            (
                row.program or "-", row.key_name or "-", row.model or "-", str(row.calls), str(row.failed), _count(row.prompt_tokens),
                _count(row.completion_tokens), _ms(row.ttft_p50_s), _rate(row.tokens_per_s),
            )
            for row in found.usage
        ]  # fmt: skip
        titles = (
            "program",
            "key",
            "model",
            "calls",
            "not answered",
            "prompt tokens",
            "answer tokens",
            "first token",
            "tokens/s",
        )
        print_table(titles, rows, right=frozenset(range(3, 9)))
    else:
        lines = [
            (
                clock(call.ts), call.program or f"user {call.uid}", call.key_name or "-", call.model or call.wanted,
                call.outcome, _count(call.completion_tokens), _ms(call.ttft_s), _rate(call.tokens_per_s), f"{call.total_s:.1f} s",
            )
            for call in found.calls
        ]  # fmt: skip
        titles = ("time", "program", "key", "model", "outcome", "tokens", "first token", "tokens/s", "took")
        print_table(titles, lines, right=frozenset({5, 6, 7, 8}))


def texts(
    call: Annotated[
        str | None, typer.Argument(metavar="CALL", help="The call to read; without it, the newest are listed.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete what is kept of this call.")] = False,
    delete_all: Annotated[bool, typer.Option("--delete-all", help="Delete what is kept of all calls.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="COUNT", min=1, max=1000, help="Number of calls.")
    ] = 20,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show or delete the prompts and answers that are kept.

    Nothing is kept unless `gateway.keep_texts` is on. Secrets are masked before anything is written.
    """
    if delete and call is None:
        raise ConfigError("--delete needs a call", hint="name one, or use --delete-all")
    with client_of(data_dir) as client:
        if delete or delete_all:
            gone = client.gateway.delete_texts(None if delete_all else call)
            print_json({"calls": gone}) if as_json else print(f"deleted what was kept of {gone} calls")
            return
        if call is None:
            heads = client.gateway.texts(limit)
            if as_json:
                print_json(heads.model_dump())
                return
            rows = [(clock(one.ts), one.call, size(one.size)) for one in heads.texts]
            print_table(("time", "call", "size"), rows, right=frozenset({2}))
            return
        found = client.gateway.text(call)
    if as_json:
        print_json(found.model_dump())
        return
    for title, text, cut in (("Prompt", found.prompt, found.prompt_cut), ("Answer", found.answer, found.answer_cut)):
        print(f"{title}{' (shortened)' if cut else ''}:")
        print("\n".join(f"  {clean(line)}" for line in text.splitlines()))


def add(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Make a key for a program.

    The key is printed once. Only its hash is kept.
    """
    try:
        with client_of(data_dir) as client:
            key = client.gateway.add_key(name).key
    except AgentUnreachable:
        key = _file(data_dir, make=True).add(name)
    if as_json:
        print_json({"name": name, "key": key})
    else:
        print(key)


def list_keys(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the keys, and when each was used last."""
    try:
        with client_of(data_dir) as client:
            keys: list[dict[str, Any]] = [key.model_dump() for key in client.gateway.status().keys]
    except AgentUnreachable:
        keys = [
            {"name": name, "created": at, "last_used": None, "calls": None, "budget": {}, "used": None, "spent": ""}
            for name, at in _file(data_dir).listed()
        ]
    if as_json:
        print_json(keys)
        return
    rows = [
        (
            k["name"], _day(k["created"]), _day(k["last_used"]), "-" if k["calls"] is None else str(k["calls"]),
            f"{_limits(k['budget'], k['used'] or {})}{' (used up)' if k['spent'] else ''}",
        )
        for k in keys
    ]  # fmt: skip
    print_table(("name", "made", "last used", "calls", "budget"), rows, right=frozenset({3}))


def budget(
    name: Name,
    calls_day: Annotated[int | None, typer.Option("--calls-day", metavar="COUNT", min=0, help="Calls a day.")] = None,
    tokens_day: Annotated[
        int | None, typer.Option("--tokens-day", metavar="COUNT", min=0, help="Tokens a day.")
    ] = None,
    calls_month: Annotated[
        int | None, typer.Option("--calls-month", metavar="COUNT", min=0, help="Calls a month.")
    ] = None,
    tokens_month: Annotated[
        int | None, typer.Option("--tokens-month", metavar="COUNT", min=0, help="Tokens a month.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Limit what a key may use in a day and in a month.

    Without an option, its budget is taken away. Tokens are those of prompts and answers. A key that has used its budget is answered 429 until the next day or month begins.
    """
    from ai.gateway.link.budgets import Budget

    wanted = Budget(calls_day, tokens_day, calls_month, tokens_month)
    try:
        with client_of(data_dir) as client:
            client.gateway.set_budget(name, wanted)
    except AgentUnreachable:
        _file(data_dir).set_budget(name, wanted)
    if as_json:
        print_json({"name": name, "budget": asdict(wanted)})
    else:
        print(f"{clean(name)}: {_limits(asdict(wanted))}")


def _limits(wanted: dict[str, int | None], used: dict[str, Any] | None = None) -> str:
    """A budget in words, with what was used of it."""
    said = []
    for key, limit in wanted.items():
        if limit is not None:
            what, _, span = key.partition("_")
            said.append(
                f"{(used or {}).get(key, 0):,} of {limit:,} {what} a {span}"
                if used is not None
                else f"{limit:,} {what} a {span}"
            )
    return ", ".join(said) or "no budget"


def remove(name: Name, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Remove a key, so that it opens nothing any more."""
    try:
        with client_of(data_dir) as client:
            client.gateway.remove_key(name)
    except AgentUnreachable:
        _file(data_dir).remove(name)
    print_json({"name": name, "removed": True}) if as_json else print(f"{clean(name)}: removed")


def _file(data_dir: Path | None, *, make: bool = False) -> "KeyFile":
    """The keys of a data directory without an agent."""
    from ai.gateway.link.keys import KeyFile

    data = paths.data_dir(data_dir, os.environ)
    if make:
        paths.make_data_dir(data)
    return KeyFile(paths.DataFiles(data).gateway_keys)


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:,.0f} ms"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _day(us: int | None) -> str:
    return clock(us)


command(gateway_app, "watchkeeper gateway status --json")(status)
command(gateway_app, "watchkeeper gateway calls --usage")(calls)
command(gateway_app, "watchkeeper gateway texts --delete-all")(texts)
command(key_app, "watchkeeper gateway key add notebook", name="add")(add)
command(key_app, "watchkeeper gateway key list", name="list")(list_keys)
command(key_app, "watchkeeper gateway key budget notebook --tokens-day 200000", name="budget")(budget)
command(key_app, "watchkeeper gateway key remove notebook", name="remove")(remove)
