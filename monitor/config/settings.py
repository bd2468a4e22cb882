"""The settings in force, and where each value came from.

A command-line option wins over an environment variable (`WATCHKEEPER_<SECTION>__<KEY>`, lists as JSON or separated by commas),
which wins over the TOML file, which wins over the default.

The layers are merged here and not by pydantic-settings, which was tried (2.16). It keeps no origin of a value, ignores a misspelt
section in the environment, and can only read the environment of this process. Working around that takes more lines than the
merge below, overrides private methods, and costs every command another 60 ms of imports.
"""

import difflib
import ipaddress
import json
import os
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, PrivateAttr, ValidationError, field_validator
from pydantic.fields import FieldInfo

from monitor.config.alerts import AlertRule, check_names, shown_address
from monitor.config.sections import (
    ActionSettings,
    AiSettings,
    AlertSettings,
    AuthSettings,
    DashboardSettings,
    EngineSettings,
    EventSettings,
    GatewaySettings,
    JobSettings,
    LogSettings,
    MaskingSettings,
    SamplingSettings,
    Section,
    StoreSettings,
)
from monitor.config.services import ServiceSettings, check_together
from monitor.config.sign_in import provider_problem
from monitor.config.toml_file import read_file, write_file, write_table
from monitor.core.endpoint import is_loopback
from monitor.core.errors import ConfigError

PREFIX: Final = "WATCHKEEPER_"
_SURE, _LIKELY = 0.8, 0.6
"""How alike a wrong name and a setting's are, as `difflib` has it, for it to be meant for certain, and perhaps."""
NOT_SETTINGS: Final = frozenset({"WATCHKEEPER_DATA_DIR", "WATCHKEEPER_CONFIG"})
SERVICE: Final = "service"
ALERT: Final = "alert"
TABLES: Final[dict[str, type[BaseModel]]] = {SERVICE: ServiceSettings, ALERT: AlertRule}
"""What the file has several tables of, each with a name; they have no place in the environment."""
_LISTED_BY: Final = {SERVICE: "`watchkeeper service list` lists them", ALERT: "`watchkeeper alerts rules` lists them"}
_EXPLAINED_BY: Final = {
    SERVICE: "`watchkeeper service add --help` explains the options",
    ALERT: "`watchkeeper alerts add --help` explains the options",
}
Origin = Literal["default", "file", "environment", "option"]


class SettingsError(ConfigError):
    """One or more values are wrong; `problems` has one sentence a key."""

    def __init__(self, problems: Mapping[str, str], *, hint: str = "") -> None:
        super().__init__("; ".join(problems.values()), hint=hint)
        self.problems = dict(problems)


class Settings(Section):
    """All settings in force. They do not change: `save` returns new ones.

    Usage:
        settings = load_settings(Path("watchkeeper.toml"))
        settings.store.limit_mb, settings.origin("store.limit_mb")     # (2048, "default")
        settings = settings.save({"store.limit_mb": 4096})
    """

    SECRET: ClassVar[frozenset[str]] = frozenset({"auth.users"})
    NOT_REPEATED: ClassVar[frozenset[str]] = frozenset({"auth.users", "engines.api_keys", "alerts.webhook"})
    """Settings whose wrong values are not shown: somebody may have put a secret there."""

    dashboard: DashboardSettings = DashboardSettings()
    sampling: SamplingSettings = SamplingSettings()
    store: StoreSettings = StoreSettings()
    logs: LogSettings = LogSettings()
    events: EventSettings = EventSettings()
    jobs: JobSettings = JobSettings()
    engines: EngineSettings = EngineSettings()
    ai: AiSettings = AiSettings()
    gateway: GatewaySettings = GatewaySettings()
    alerts: AlertSettings = AlertSettings()
    actions: ActionSettings = ActionSettings()
    auth: AuthSettings = AuthSettings()
    masking: MaskingSettings = MaskingSettings()
    service: tuple[ServiceSettings, ...] = ()
    """Commands that are kept running: tables of the file, which `save_service` changes."""
    alert: tuple[AlertRule, ...] = ()
    """Rules of alerts: tables of the file, which `save_alert` changes."""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)
    _path: Path | None = PrivateAttr(default=None)
    _overrides: dict[str, Any] = PrivateAttr(default_factory=dict)
    _environ: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("service")
    @classmethod
    def _together(cls, services: tuple[ServiceSettings, ...]) -> tuple[ServiceSettings, ...]:
        check_together(services)
        return services

    @field_validator("alert")
    @classmethod
    def _names(cls, rules: tuple[AlertRule, ...]) -> tuple[AlertRule, ...]:
        check_names(rules)
        return rules

    @property
    def path(self) -> Path | None:
        """The settings file; it need not exist yet."""
        return self._path

    def origin(self, key: str) -> Origin:
        """Where the value of `section.key` comes from."""
        return self._origins.get(key, "default")

    def get(self, key: str) -> Any:
        """The value of `section.key`, plain (JSON types).

        Raises:
            ConfigError: there is no such setting.
        """
        _require({key: None})
        section, name = key.split(".")
        return getattr(self, section).model_dump(mode="json")[name]

    def describe(self) -> list[dict[str, Any]]:
        """One dictionary per setting, as in `GET /v1/settings`. Password hashes are left out, and what is secret in an address."""
        rows = []
        for key, field in all_fields():
            meta = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            origin = self.origin(key)
            value = self.get(key)
            if key in self.SECRET:
                value = [{k: v for k, v in user.items() if k != "password_hash"} for user in value]
            if key == "alerts.webhook":
                value = shown_address(value)
            rows.append(
                {
                    "key": key,
                    "value": value,
                    "default": field.get_default(call_default_factory=True),
                    "origin": origin,
                    "description": field.description or "",
                    "unit": str(meta.get("unit", "")),
                    "editable": origin in {"default", "file"} and key not in self.SECRET,
                    "restart": bool(meta.get("restart", False)),
                }
            )
        return rows

    def check_sign_in(self) -> None:
        """Refuse an address that other machines reach when nobody has to sign in, and a sign-in that nobody can pass.

        Raises:
            SettingsError: that is so; it names `dashboard.host` or `auth.mode`.
        """
        host = self.dashboard.host
        if self.auth.mode == "oidc" and (problem := provider_problem(self._path)):
            raise SettingsError(
                {"auth.mode": f"auth.mode = oidc: {problem}"},
                hint="describe the provider in secrets.toml beside the settings file and install `streamlit[auth]`, as the README says",
            )
        if is_loopback(host) or self.auth.mode != "none":
            return
        where = f" {self._path}" if self._path else ""
        raise SettingsError(
            {"dashboard.host": f"dashboard.host = {host}: other machines can reach it, and no sign-in is configured"},
            hint=f"`watchkeeper password NAME` prints what to add to the settings file{where}; or keep 127.0.0.1",
        )

    def save(self, changes: Mapping[str, Any]) -> "Settings":
        """Write `changes` (`{"section.key": value}`; None restores the default) to the file, keeping comments and order.

        If one value is wrong, nothing is written. The file is replaced in one step.

        Raises:
            SettingsError: a key or value is wrong, the next start would refuse it, or the environment or an option sets the key.
            ConfigError: the file cannot be written.
        """
        if self._path is None:
            raise ConfigError("there is no settings file", hint="choose one with --config")
        fixed = {
            key: f"{key} is set by the {self.origin(key)}, which overrides the file"
            for key in changes
            if self.origin(key) in {"environment", "option"}
        }
        if fixed:
            raise SettingsError(fixed, hint="remove it there first")
        _require(dict.fromkeys(changes))
        layer = read_file(self._path)
        for key, value in changes.items():
            if value is None:
                layer.pop(key, None)
            else:
                layer[key] = value
        saved = _build(self._path, layer, _environment(self._environ), self._overrides, self._environ, fresh=changes)
        if {"dashboard.host", "auth.mode"} & changes.keys():
            saved.check_sign_in()
        if "dashboard.host" in changes:
            _check_own_address(saved.dashboard.host)
        write_file(self._path, {key: None if changes[key] is None else saved.get(key) for key in changes})
        return saved

    def save_service(self, name: str, table: Mapping[str, Any] | None, *, new: bool = False) -> "Settings":
        """Write one service to the file, in the place of the one with this name, or remove it (`table` is None). Nothing is written if it is wrong.

        Raises:
            SettingsError: a value is wrong, another service depends on the removed one, there is none of this name to remove, or there is one
                already and it is to be `new`.
            ConfigError: the file cannot be written.
        """
        return self._save_table(SERVICE, name, table, new=new)

    def save_alert(self, name: str, table: Mapping[str, Any] | None) -> "Settings":
        """Write one alert rule to the file, in the place of the one with this name, or remove it (`table` is None). Nothing is written if it is wrong.

        Raises:
            SettingsError: a value is wrong, or there is none of this name to remove.
            ConfigError: the file cannot be written.
        """
        return self._save_table(ALERT, name, table)

    def _save_table(self, kind: str, name: str, table: Mapping[str, Any] | None, *, new: bool = False) -> "Settings":
        if self._path is None:
            raise ConfigError("there is no settings file", hint="choose one with --config")
        layer = read_file(self._path)
        tables = list(_tables(layer, kind))
        place = next((at for at, one in enumerate(tables) if one.get("name") == name), None)
        if table is None and place is None:
            raise SettingsError({kind: f"there is no {kind} {name}"}, hint=_LISTED_BY[kind])
        if new and place is not None:
            raise SettingsError(
                {kind: f"there is a {kind} {name} already"},
                hint=f"choose another name, or change that one: {_LISTED_BY[kind]}",
            )
        tables[len(tables) if place is None else place : None if place is None else place + 1] = (
            [dict(table)] if table else []
        )
        try:
            saved = _build(
                self._path, {**layer, kind: tables}, _environment(self._environ), self._overrides, self._environ
            )
        except SettingsError as error:
            if all(key.partition(".")[0] == kind for key in error.problems):
                error.hint = _EXPLAINED_BY[kind]
            raise
        write_table(self._path, kind, name, table)
        return saved

    def again(self) -> "Settings":
        """The settings as the file has them now, with the same environment and options.

        Raises:
            SettingsError, ConfigError: as `load_settings`.
        """
        return load_settings(self._path, self._overrides, self._environ)


def _check_own_address(host: str) -> None:
    """Refuse an address that this machine does not have; names are looked up at the start.

    Raises:
        SettingsError: nothing can listen there.
    """
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return
    with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise SettingsError(
                {"dashboard.host": f"dashboard.host = {host}: this machine cannot listen there ({error.strerror})"},
                hint="give an address of this machine; `ip address` lists them",
            ) from error


def all_fields() -> Iterator[tuple[str, FieldInfo]]:
    """`("section.key", pydantic field)` of every setting, in the order of the documentation."""
    for section, field in Settings.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            for name, inner in model.model_fields.items():
                yield f"{section}.{name}", inner


def load_settings(
    config_path: Path | None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force.

    Args:
        config_path: the TOML file; a missing file counts as empty.
        overrides: `{"section.key": value}` from the command line; None values are ignored.
        environ: the environment; by default that of this process.

    Raises:
        SettingsError: names each wrong key, its value, and what is allowed.
        ConfigError: the file is not TOML or cannot be read.
    """
    env = dict(os.environ if environ is None else environ)
    options = {key: value for key, value in (overrides or {}).items() if value is not None}
    layer = read_file(config_path) if config_path else {}
    return _build(config_path, layer, _environment(env), options, env)


_OWN_TABLE: Final = "each {kind} is a table of its own that begins with [[{kind}]], with two brackets"


def _build(
    path: Path | None,
    file: Mapping[str, Any],
    env: Mapping[str, Any],
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    fresh: Collection[str] = (),
) -> Settings:
    """Merge the layers, validate the result, and remember where each value came from. The keys `fresh` are new and not in the file yet."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    layers: tuple[tuple[Origin, Mapping[str, Any]], ...] = (("file", file), ("environment", env), ("option", options))
    for origin, layer in layers:
        for key, value in layer.items():
            if key not in TABLES:
                values[key] = value
                origins[key] = origin
    _require(origins)
    nested: dict[str, Any] = {kind: _tables(file, kind) for kind in TABLES}
    for key, value in values.items():
        section, name = key.split(".", 1)
        nested.setdefault(section, {})[name] = value
    try:
        settings = Settings.model_validate(nested)
    except ValidationError as error:
        stands = {key: origin for key, origin in origins.items() if key not in fresh}
        wrong = _sentences(error, stands, nested)
        raise SettingsError(wrong, hint=_where(path, {stands[key] for key in wrong if key in stands})) from error
    settings._origins, settings._path = origins, path  # noqa: SLF001 - the loader belongs to the class
    settings._overrides, settings._environ = dict(options), dict(environ)  # noqa: SLF001
    return settings


def _about_table(problem: Any, tables: Any) -> tuple[str, str]:
    """Key and sentence of one wrong value of a service or an alert. Values of the environment are not repeated: there may be secrets."""
    kind, *location = problem["loc"]
    reason = problem["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), TABLES[kind].model_fields, n=1)
        reason = f"there is no such key{f'; did you mean {close[0]}?' if close else ''}"
    if not location:
        return kind, reason
    table = tables[location[0]] if isinstance(tables, list | tuple) and isinstance(location[0], int) else {}
    name = table.get("name", f"number {location[0] + 1}") if isinstance(table, Mapping) else f"number {location[0]}"
    field = ".".join(str(part) for part in location[1:])
    if problem["type"] == "missing":
        return f"{kind}.{name}.{field}", f"{kind} {name}: {field} is missing"
    shown = "" if not field or field.startswith("environment") else f" = {_short(problem['input'])}"
    where = f": {field}{shown}" if field else ""
    return f"{kind}.{name}{'.' if field else ''}{field}", f"{kind} {name}{where}: {reason[:1].lower()}{reason[1:]}"


def _sentences(error: ValidationError, origins: Mapping[str, Origin], nested: Mapping[str, Any]) -> dict[str, str]:
    """One sentence for each wrong key: its value, what is allowed, and where it was set."""
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        location = [str(part) for part in problem["loc"]]
        if location[0] in TABLES:
            found.setdefault(*_about_table(problem, nested[location[0]]))
            continue
        key = ".".join(location[:2])
        inside = f" (in entry {'.'.join(location[2:])})" if len(location) > 2 else ""
        shown = "" if key == "auth" or key in Settings.NOT_REPEATED else f" = {_short(problem['input'])}"
        reason = problem["msg"].removeprefix("Value error, ").partition(", unable to")[0]
        reason = reason[:1].lower() + reason[1:] if not reason[:2].isupper() else reason
        origin = origins.get(key)
        found.setdefault(key, f"{key}{shown}{inside}: {reason}{f' (set by the {origin})' if origin else ''}")
    return found


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def _where(path: Path | None, origins: Collection[Origin]) -> str:
    return f"correct it in {path}" if path and "file" in origins else "`watchkeeper settings` explains each setting"


def _tables(layer: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """The tables of one kind in the file.

    Raises:
        SettingsError: there is something else of this name.
    """
    found = layer.get(kind, [])
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise SettingsError({kind: _OWN_TABLE.format(kind=kind)}, hint="`watchkeeper settings` lists all settings")
    return found


def _require(keys: Mapping[str, Origin | None]) -> None:
    """Refuse keys that no setting has, with the closest one that exists.

    Raises:
        SettingsError: one sentence for each of them.
    """
    known = [key for key, _ in all_fields()]
    unknown = {}
    for key in (key for key in keys if key not in known):
        if (kind := key.partition(".")[0]) in TABLES:
            unknown[kind] = _OWN_TABLE.format(kind=kind)
            continue
        origin, meant = keys[key], _meant(key)
        where = f" (set by the {origin})" if origin else ""
        unknown[key] = f"there is no setting {key}{where}" + (f"; did you mean {meant}?" if meant else "")
    if unknown:
        raise SettingsError(unknown, hint="`watchkeeper settings` lists all settings")


def _meant(key: str) -> str | None:
    """The setting that a wrong name means: one that is written nearly so, else one of its table that is described with this word (`paths` of logs: files to follow, as absolute paths)."""
    fields = dict(all_fields())
    table, _, name = key.rpartition(".")
    within = {one.rpartition(".")[2]: one for one in fields if one.rpartition(".")[0] == table}
    described = re.compile(rf"\b{re.escape(name.replace('_', ' ').removesuffix('s'))}", re.IGNORECASE)
    guesses = (
        *(within[one] for one in difflib.get_close_matches(name, within, n=1, cutoff=_SURE)),
        *(one for one in within.values() if described.search(fields[one].description or "")),
        *(within[one] for one in difflib.get_close_matches(name, within, n=1, cutoff=_LIKELY)),
        *difflib.get_close_matches(key, fields, n=1, cutoff=_SURE if within else _LIKELY),
    )
    return next(iter(guesses), None)


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings in environment variables, such as `WATCHKEEPER_STORE__LIMIT_MB=100`."""
    fields = dict(all_fields())
    found: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or "__" not in name:
            continue
        key = name.removeprefix(PREFIX).lower().replace("__", ".", 1)
        field = fields.get(key)
        is_list = field is not None and isinstance(field.get_default(call_default_factory=True), list)
        found[key] = parse_list(text) if is_list else text
    return found


def parse_list(text: str) -> Any:
    """A list from text: JSON if it begins with a bracket, else split at commas."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]
