"""Every setting: its default, unit, meaning, and where its value in force came from.

Precedence: option of the command line, environment (`WATCHKEEPER_<SECTION>__<KEY>`, lists as JSON or separated by commas),
the TOML file, default. The settings page, `watchkeeper settings` and the README are made from `Settings.describe`.
"""

import difflib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from monitor.api_keys import check_line
from monitor.errors import ConfigError
from monitor.settings_file import read_file, write_file

PREFIX: Final = "WATCHKEEPER_"
NOT_SETTINGS: Final = frozenset({"WATCHKEEPER_DATA_DIR", "WATCHKEEPER_CONFIG"})
Origin = Literal["default", "file", "environment", "option"]


class SettingsError(ConfigError):
    """One or more values are wrong; `problems` has one sentence a key."""

    def __init__(self, problems: Mapping[str, str], *, hint: str = "") -> None:
        super().__init__("; ".join(problems.values()), hint=hint)
        self.problems = dict(problems)


def _meta(*, unit: str = "", restart: bool = False) -> dict[str, Any]:
    """What the page shows beside a value; `restart`: takes effect when Watchkeeper is started again."""
    return {"unit": unit, "restart": restart}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"{url!r} is no address such as http://127.0.0.1:8000"
        raise ValueError(msg)


class DashboardSettings(_Section):
    """The pages in the browser."""

    host: Annotated[
        str,
        Field(
            min_length=1,
            description="Address the dashboard binds; one that is not loopback needs a sign-in.",
            json_schema_extra=_meta(restart=True),
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="Port of the dashboard; 0 takes a free one.",
            json_schema_extra=_meta(restart=True),
        ),
    ] = 8501
    open_browser: Annotated[
        bool, Field(description="Open a browser when the dashboard is up.", json_schema_extra=_meta(restart=True))
    ] = True
    allowed_hosts: Annotated[
        list[str],
        Field(
            description="Further host names under which the dashboard may be reached, for a proxy.",
            json_schema_extra=_meta(restart=True),
        ),
    ] = []


class SamplingSettings(_Section):
    """The readings."""

    interval_s: Annotated[
        float,
        Field(
            ge=0.1,
            le=60,
            description="Time between two samples, and so between two updates of what is live on the pages.",
            json_schema_extra=_meta(unit="s", restart=True),
        ),
    ] = 1.0


class StoreSettings(_Section):
    """How much is kept."""

    limit_mb: Annotated[
        int,
        Field(
            ge=16,
            le=10_000_000,
            description="Size the store may reach; the oldest rows go first.",
            json_schema_extra=_meta(unit="MB"),
        ),
    ] = 2048
    raw_days: Annotated[
        float, Field(gt=0, le=3650, description="How long samples are kept.", json_schema_extra=_meta(unit="days"))
    ] = 7.0
    log_days: Annotated[
        float, Field(gt=0, le=3650, description="How long log records are kept.", json_schema_extra=_meta(unit="days"))
    ] = 30.0
    memory_limit_mb: Annotated[
        int,
        Field(
            ge=64,
            le=1_000_000,
            description="Memory the store's engine may take for a query.",
            json_schema_extra=_meta(unit="MB", restart=True),
        ),
    ] = 512


class LogSettings(_Section):
    """Where log records come from."""

    discover: Annotated[
        bool,
        Field(description="Follow the files that your processes hold open for writing.", json_schema_extra=_meta()),
    ] = True
    journal: Annotated[
        bool, Field(description="Follow the systemd journal where there is one.", json_schema_extra=_meta())
    ] = True
    globs: Annotated[
        list[str],
        Field(
            description="Files to follow, as absolute paths; `*`, `?` and `**` are understood.",
            json_schema_extra=_meta(),
        ),
    ] = []
    exclude: Annotated[
        list[str], Field(description="Files never to follow, as patterns of absolute paths.", json_schema_extra=_meta())
    ] = []
    formats: Annotated[
        list[str],
        Field(
            description="Formats of files that are not understood by themselves, as PATTERN=FORMAT, such as /srv/app/*.log=logfmt.",
            json_schema_extra=_meta(),
        ),
    ] = []

    @field_validator("formats")
    @classmethod
    def _pairs(cls, lines: list[str]) -> list[str]:
        for line in lines:
            pattern, sign, name = line.rpartition("=")
            if not (sign and pattern.strip() and name.strip()):
                msg = f"{line!r} is not of the form PATTERN=FORMAT"
                raise ValueError(msg)
        cls._absolute([line.rpartition("=")[0].strip() for line in lines])
        return lines

    @field_validator("globs", "exclude")
    @classmethod
    def _absolute(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            if not pattern.startswith(("/", "~", "*")):
                msg = f"{pattern!r} is not an absolute path"
                raise ValueError(msg)
            if "\0" in pattern:
                raise ValueError("a path holds no NUL")
        return patterns


class EngineSettings(_Section):
    """Where model engines are looked for."""

    ollama_url: Annotated[
        str, Field(description="Address of Ollama; empty looks for none.", json_schema_extra=_meta())
    ] = "http://127.0.0.1:11434"
    openai_urls: Annotated[
        list[str],
        Field(
            description="Addresses of servers that speak the OpenAI interface, such as http://127.0.0.1:8000/v1.",
            json_schema_extra=_meta(),
        ),
    ] = []
    api_keys: Annotated[
        list[str],
        Field(
            description="Where the keys of servers are, as ADDRESS=env:NAME or ADDRESS=file:PATH; `watchkeeper ai key` writes such a file.",
            json_schema_extra=_meta(),
        ),
    ] = []
    check_s: Annotated[
        float,
        Field(ge=5, le=86_400, description="Time between two looks at the engines.", json_schema_extra=_meta(unit="s")),
    ] = 30.0

    @field_validator("ollama_url")
    @classmethod
    def _url(cls, url: str) -> str:
        if url:
            _check_url(url)
        return url

    @field_validator("api_keys")
    @classmethod
    def _keys(cls, lines: list[str]) -> list[str]:
        for line in lines:
            check_line(line)
        return lines

    @field_validator("openai_urls")
    @classmethod
    def _urls(cls, urls: list[str]) -> list[str]:
        for url in urls:
            _check_url(url)
        return urls


class AiSettings(_Section):
    """How model engines are used and measured."""

    model_paths: Annotated[
        list[str],
        Field(
            description="Model files (GGUF), or folders that hold models, as absolute paths.",
            json_schema_extra=_meta(),
        ),
    ] = []
    models: Annotated[
        list[str],
        Field(
            description="Which model an engine uses, as engine=model, such as ollama=llama3.1:8b; else its first one.",
            json_schema_extra=_meta(),
        ),
    ] = []
    context: Annotated[
        int,
        Field(ge=512, le=1_000_000, description="Context of an analysis.", json_schema_extra=_meta(unit="tokens")),
    ] = 4096
    idle_s: Annotated[
        float,
        Field(
            ge=5,
            le=86_400,
            description="An embedded model that nobody asked for so long gives its memory back.",
            json_schema_extra=_meta(unit="s"),
        ),
    ] = 300.0
    quality_floor: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Quality (F1 on labelled postings) below which an engine is not used; 0 uses all.",
            json_schema_extra=_meta(),
        ),
    ] = 0.0
    latency_target_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="Wanted time to an answer; engines that reach it come first. 0 wants none.",
            json_schema_extra=_meta(unit="s"),
        ),
    ] = 0.0
    allow_remote: Annotated[
        bool, Field(description="Postings may go to engines on another machine.", json_schema_extra=_meta())
    ] = False
    explain_remote: Annotated[
        bool, Field(description="Log records may go to engines on another machine.", json_schema_extra=_meta())
    ] = False
    answer_s: Annotated[
        float,
        Field(
            ge=1,
            le=3600,
            description="Deadline of one answer, all engines that are tried together.",
            json_schema_extra=_meta(unit="s"),
        ),
    ] = 120.0
    benchmark_s: Annotated[
        float,
        Field(
            ge=1,
            le=3600,
            description="Time for the pairs of a benchmark; it ends sooner when the verdict is clear.",
            json_schema_extra=_meta(unit="s"),
        ),
    ] = 90.0
    benchmark_postings: Annotated[
        int,
        Field(
            ge=0,
            le=500,
            description="Labelled postings on which a benchmark measures quality; 0 leaves that out.",
            json_schema_extra=_meta(),
        ),
    ] = 6

    @field_validator("model_paths")
    @classmethod
    def _absolute(cls, paths: list[str]) -> list[str]:
        for path in paths:
            if not path.startswith(("/", "~")):
                msg = f"{path!r} is not an absolute path"
                raise ValueError(msg)
        return paths

    @field_validator("models")
    @classmethod
    def _pairs(cls, models: list[str]) -> list[str]:
        for line in models:
            name, sign, model = line.partition("=")
            if not (sign and name.strip() and model.strip()):
                msg = f"{line!r} is not of the form engine=model"
                raise ValueError(msg)
        return models


class UserSettings(_Section):
    """One person who may sign in. `password_hash` is made by `watchkeeper password`."""

    name: str = Field(min_length=1, max_length=200)
    password_hash: str = Field(pattern=r"^\$argon2", repr=False)
    role: Literal["viewer", "operator"] = "viewer"


class AuthSettings(_Section):
    """Who may look, and who may change things."""

    mode: Annotated[
        Literal["none", "password", "oidc"],
        Field(
            description="Sign-in: none (loopback only), password, or oidc (see Streamlit's st.login).",
            json_schema_extra=_meta(restart=True),
        ),
    ] = "none"
    users: Annotated[
        list[UserSettings],
        Field(
            description="People who may sign in with a password: name, password_hash, role (viewer or operator).",
            json_schema_extra=_meta(restart=True),
        ),
    ] = []
    session_hours: Annotated[
        float,
        Field(gt=0, le=8760, description="How long a sign-in holds.", json_schema_extra=_meta(unit="h", restart=True)),
    ] = 12.0
    operators: Annotated[
        list[str],
        Field(
            description="Addresses (e-mail) of OIDC visitors who are operators; others are viewers.",
            json_schema_extra=_meta(restart=True),
        ),
    ] = []

    @model_validator(mode="after")
    def _someone_can_sign_in(self) -> Self:
        if self.mode == "password" and not self.users:
            raise ValueError("mode 'password' needs at least one entry in auth.users; `watchkeeper password` makes one")
        names = [user.name for user in self.users]
        if len(set(names)) < len(names):
            raise ValueError("two entries of auth.users have the same name")
        return self


class MaskingSettings(_Section):
    """What is hidden before it is stored or shown."""

    extra: Annotated[
        list[str],
        Field(
            description="Further regular expressions of secrets to mask in command lines and log records.",
            json_schema_extra=_meta(restart=True),
        ),
    ] = []

    @field_validator("extra")
    @classmethod
    def _patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                msg = f"{pattern!r} is no regular expression: {error}"
                raise ValueError(msg) from error
        return patterns


class Settings(_Section):
    """All settings in force. Frozen: `save` answers a new one."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"auth.users"})
    NOT_REPEATED: ClassVar[frozenset[str]] = frozenset({"auth.users", "engines.api_keys"})
    """A wrong value is not shown: it may hold a secret in a place where none belongs."""

    dashboard: DashboardSettings = DashboardSettings()
    sampling: SamplingSettings = SamplingSettings()
    store: StoreSettings = StoreSettings()
    logs: LogSettings = LogSettings()
    engines: EngineSettings = EngineSettings()
    ai: AiSettings = AiSettings()
    auth: AuthSettings = AuthSettings()
    masking: MaskingSettings = MaskingSettings()

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)
    _path: Path | None = PrivateAttr(default=None)
    _overrides: dict[str, Any] = PrivateAttr(default_factory=dict)
    _environ: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The file these settings are kept in, whether it exists yet or not."""
        return self._path

    def origin(self, key: str) -> Origin:
        """Where the value of `section.key` came from."""
        return self._origins.get(key, "default")

    def get(self, key: str) -> Any:
        """The value of `section.key`, plain (JSON types).

        Raises:
            ConfigError: there is no such setting.
        """
        _field_of(key)
        section, name = key.split(".")
        return getattr(self, section).model_dump(mode="json")[name]

    def describe(self) -> list[dict[str, Any]]:
        """One dictionary a setting, as `GET /v1/settings` gives them; password hashes are left out."""
        rows = []
        for key, field in all_fields():
            meta = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            origin = self.origin(key)
            value = self.get(key)
            if key in self.SECRET:
                value = [{k: v for k, v in user.items() if k != "password_hash"} for user in value]
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

    def save(self, changes: Mapping[str, Any]) -> "Settings":
        """Write `changes` (`{"section.key": value}`; None removes the line) into the file, keeping its comments and order.

        Nothing is written when one value is wrong; the file is replaced in one step.

        Raises:
            SettingsError: a key or value is wrong, or fixed by the environment or an option.
            ConfigError: the file cannot be written.
        """
        if self._path is None:
            raise ConfigError("these settings have no file", hint="give one with --config")
        fixed = {
            key: f"{key} is set by the {self.origin(key)}, which wins over the file"
            for key in changes
            if self.origin(key) in {"environment", "option"}
        }
        if fixed:
            raise SettingsError(fixed, hint="remove it there first")
        for key in changes:
            _field_of(key)
        layer = read_file(self._path)
        for key, value in changes.items():
            if value is None:
                layer.pop(key, None)
            else:
                layer[key] = value
        saved = _build(self._path, layer, _environment(self._environ), self._overrides, self._environ, fresh=changes)
        write_file(self._path, {key: None if changes[key] is None else saved.get(key) for key in changes})
        return saved


def all_fields() -> Iterator[tuple[str, FieldInfo]]:
    """`("section.key", its pydantic field)` of every setting, in the order of the documentation."""
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
        config_path: the TOML file; one that does not exist counts as empty.
        overrides: `{"section.key": value}` from the command line; None values are left out.
        environ: the environment; the process's own when not given.

    Raises:
        SettingsError: naming each wrong key, its value, and what is allowed.
        ConfigError: the file is not TOML or cannot be read.
    """
    env = dict(os.environ if environ is None else environ)
    options = {key: value for key, value in (overrides or {}).items() if value is not None}
    layer = read_file(config_path) if config_path else {}
    return _build(config_path, layer, _environment(env), options, env)


def _build(
    path: Path | None,
    file: Mapping[str, Any],
    env: Mapping[str, Any],
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    fresh: Collection[str] = (),
) -> Settings:
    """Lay the layers over each other, check them, and remember where each value came from; those of the keys `fresh` are just given and stand nowhere yet."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    layers: tuple[tuple[Origin, Mapping[str, Any]], ...] = (("file", file), ("environment", env), ("option", options))
    for origin, layer in layers:
        for key, value in layer.items():
            values[key] = value
            origins[key] = origin
    unknown = {key: _unknown(key, origins[key]) for key in values if key not in dict(all_fields())}
    if unknown:
        raise SettingsError(unknown, hint="`watchkeeper settings` lists them all")
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = key.split(".", 1)
        nested.setdefault(section, {})[name] = value
    try:
        settings = Settings.model_validate(nested)
    except ValidationError as error:
        stands = {key: origin for key, origin in origins.items() if key not in fresh}
        wrong = _sentences(error, stands)
        raise SettingsError(wrong, hint=_where(path, {stands[key] for key in wrong if key in stands})) from error
    settings._origins, settings._path = origins, path  # noqa: SLF001 - the loader is the class's other half
    settings._overrides, settings._environ = dict(options), dict(environ)  # noqa: SLF001
    return settings


def _sentences(error: ValidationError, origins: Mapping[str, Origin]) -> dict[str, str]:
    """One sentence a wrong key: its value, what is allowed, and where it was set."""
    found: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        location = [str(part) for part in problem["loc"]]
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
    return f"correct it in {path}" if path and "file" in origins else "`watchkeeper settings` shows what is allowed"


def _unknown(key: str, origin: Origin) -> str:
    close = difflib.get_close_matches(key, [k for k, _ in all_fields()], n=1, cutoff=0.6)
    guess = f"; did you mean {close[0]}?" if close else ""
    return f"there is no setting {key} (set by the {origin}){guess}"


def _field_of(key: str) -> FieldInfo:
    fields = dict(all_fields())
    if key not in fields:
        close = difflib.get_close_matches(key, fields, n=1, cutoff=0.6)
        problem = f"there is no setting {key}" + (f"; did you mean {close[0]}?" if close else "")
        raise SettingsError({key: problem}, hint="`watchkeeper settings` lists them all")
    return fields[key]


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings among the environment variables: `WATCHKEEPER_STORE__LIMIT_MB=100`; lists as JSON or separated by commas."""
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
    """A list typed as text: JSON when it begins with a bracket, else split at commas."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]
