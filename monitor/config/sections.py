"""The settings, section by section: default, unit, allowed values and meaning of each.

A new setting is one line here. The Settings page, `watchkeeper settings` and the README follow from it.
"""

import ipaddress
import re
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ai.discovery.address import normal_url
from monitor.config.api_keys import check_line
from monitor.config.job_patterns import parse_pattern


class Section(BaseModel):
    """A table of the settings file. Unknown keys are refused, and values cannot change in place."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _setting(default: Any, meaning: str, *, unit: str = "", restart: bool = False, **bounds: Any) -> Any:
    """A field with what the Settings page shows beside it. `restart`: a change takes effect at the next start."""
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "restart": restart}, **bounds)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or too large
        usable = False
    if not usable:
        msg = f"{url!r} is not an address such as http://127.0.0.1:8000"
        raise ValueError(msg)


def _check_absolute(paths: list[str], *, first: tuple[str, ...] = ("/", "~")) -> list[str]:
    for path in paths:
        if not path.startswith(first):
            msg = f"{path!r} is not an absolute path"
            raise ValueError(msg)
        if "\0" in path:
            raise ValueError("a path cannot contain NUL")
    return paths


_HOST = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*(?!\d+\Z)[A-Za-z0-9_-]{1,63}")
"""A host name; what ends in a number would be an address."""


class DashboardSettings(Section):
    """The pages in the browser."""

    host: str = _setting(
        "127.0.0.1",
        "Address the dashboard listens on. Any address but loopback needs a sign-in.",
        restart=True,
        min_length=1,
    )
    port: int = _setting(8501, "Port of the dashboard; 0 picks a free one.", restart=True, ge=0, le=65535)
    open_browser: bool = _setting(True, "Open a browser when the dashboard is ready.", restart=True)
    allowed_hosts: list[str] = _setting(
        [], "Other host names that the dashboard answers to, for use behind a proxy.", restart=True
    )
    trusted_proxies: list[str] = _setting(
        [],
        "Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
        restart=True,
    )

    @field_validator("host")
    @classmethod
    def _name(cls, host: str) -> str:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            if not _HOST.fullmatch(host):
                msg = f"{host!r} is neither an address such as 127.0.0.1 nor a host name"
                raise ValueError(msg) from None
        return host

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                msg = f"{proxy!r} is not an address such as 10.0.0.2 or a network such as 10.0.0.0/24"
                raise ValueError(msg) from None
        return proxies


class SamplingSettings(Section):
    """How often the machine is read."""

    interval_s: float = _setting(
        1.0,
        "Time between two samples, and between two updates of the live pages.",
        unit="s",
        restart=True,
        ge=0.1,
        le=60,
    )


class StoreSettings(Section):
    """How much is kept, and for how long."""

    limit_mb: int = _setting(
        2048, "Maximum size of the store. The oldest rows are deleted first.", unit="MiB", ge=16, le=10_000_000
    )
    raw_days: float = _setting(7.0, "How long samples are kept at full resolution.", unit="days", gt=0, le=3650)
    log_days: float = _setting(30.0, "How long log records are kept.", unit="days", gt=0, le=3650)
    older_logs: Literal["drop", "archive"] = _setting(
        "drop",
        "What becomes of log records that are older, or that the store has no room for: drop, or archive. An archive is compressed "
        "files in the data directory, which searches read too.",
    )
    archive_mb: int = _setting(
        4096, "Maximum size of the archive. The oldest files are deleted first.", unit="MiB", ge=1, le=10_000_000
    )
    archive_days: float = _setting(365.0, "How long archived log records are kept.", unit="days", gt=0, le=36_500)
    memory_limit_mb: int = _setting(
        512, "Memory that the store's engine may use for a query.", unit="MiB", restart=True, ge=64, le=1_000_000
    )


class LogSettings(Section):
    """Where log records come from."""

    discover: bool = _setting(
        True, "Follow the logs that your processes hold open for writing (no texts of packages, caches, copies)."
    )
    journal: bool = _setting(True, "Follow the systemd journal, if there is one.")
    globs: list[str] = _setting([], "Files to follow, as absolute paths. `*`, `?` and `**` match as in a shell.")
    exclude: list[str] = _setting([], "Files never to follow, as patterns of absolute paths.")
    formats: list[str] = _setting(
        [],
        "Log formats for files that are not detected correctly, as PATTERN=FORMAT, such as /srv/app/*.log=logfmt. "
        "FORMAT may be day-first or month-first.",
    )

    @field_validator("formats")
    @classmethod
    def _pairs(cls, lines: list[str]) -> list[str]:
        for line in lines:
            pattern, sign, name = line.rpartition("=")
            if not (sign and pattern.strip() and name.strip()):
                msg = f"{line!r} is not of the form PATTERN=FORMAT"
                raise ValueError(msg)
            cls._absolute([pattern.strip()])
        return lines

    @field_validator("globs", "exclude")
    @classmethod
    def _absolute(cls, patterns: list[str]) -> list[str]:
        return _check_absolute(patterns, first=("/", "~", "*"))


class JobSettings(Section):
    """The jobs that workers report."""

    stuck_factor: float = _setting(
        3.0, "A job is stuck when it takes this many times as long as 99 % of its worker's jobs.", ge=1, le=1000
    )
    stuck_least_s: float = _setting(10.0, "No job is called stuck before this time.", unit="s", ge=0, le=864_000)
    patterns: list[str] = _setting(
        [],
        "Jobs of programs that do not report them, by their log records: WORKER EVENT FILES REGEX, such as `importer done "
        r"/srv/app/*.log finished (?P<id>\S+)`. EVENT is begun, done or failed; groups are id, seconds and error.",
    )

    @field_validator("patterns")
    @classmethod
    def _patterns(cls, lines: list[str]) -> list[str]:
        for line in lines:
            parse_pattern(line)
        return lines


class EventSettings(Section):
    """Which processes' events are recorded."""

    own: bool = _setting(True, "Record the events of your own processes.")
    patterns: list[str] = _setting(
        [], "Processes of any user whose events are always recorded: names or commands, where `*` is any text."
    )
    exclude: list[str] = _setting(
        [
            *("sh", "bash", "dash", "zsh", "fish", "sudo", "su", "ssh", "env", "timeout", "xargs", "watch", "top"),
            *("sleep", "cat", "less", "tail", "head", "tee", "grep", "sed", "awk", "sort", "uniq", "wc", "find"),
        ],
        "Own processes whose events are not recorded: names or commands, where `*` is any text.",
    )
    least_s: float = _setting(
        3.0,
        "Leave out processes that live shorter, unless a pattern names them, a fault ended them, or they are scripts that failed.",
        unit="s",
        ge=0,
        le=3600,
    )


class EngineSettings(Section):
    """Where model engines are looked for."""

    ollama_url: str = _setting(
        "http://127.0.0.1:11434",
        "Address of Ollama; with `discover` one on another port of this machine is found too. Empty: do not look for it.",
    )
    openai_urls: list[str] = _setting(
        [], "Addresses of servers with an OpenAI-compatible API, such as http://127.0.0.1:8000/v1."
    )
    api_keys: list[str] = _setting(
        [],
        "Where the API keys of servers are, as ADDRESS=env:NAME or ADDRESS=file:PATH. `watchkeeper ai key` creates such a file.",
    )
    discover: bool = _setting(
        True,
        "Find model servers that run on this machine by their processes, whatever their port, such as Ollama, vLLM or llama-server.",
    )
    check_s: float = _setting(30.0, "Time between two checks of the engines.", unit="s", ge=5, le=86_400)

    @field_validator("ollama_url")
    @classmethod
    def _url(cls, url: str) -> str:
        return normal_url(url, 11434) if url else url

    @field_validator("api_keys")
    @classmethod
    def _keys(cls, lines: list[str]) -> list[str]:
        for line in lines:
            check_line(line)
        return lines

    @field_validator("openai_urls")
    @classmethod
    def _urls(cls, urls: list[str]) -> list[str]:
        return [normal_url(url) for url in urls]


class AiSettings(Section):
    """How model engines are used and measured."""

    model_paths: list[str] = _setting([], "GGUF files, or folders that contain models, as absolute paths.")
    models: list[str] = _setting(
        [],
        "Which model an engine uses, as engine=model, such as ollama=llama3.1:8b. Default: the engine's first model.",
    )
    context: int = _setting(4096, "Context length of an analysis.", unit="tokens", ge=512, le=1_000_000)
    idle_s: float = _setting(
        300.0, "Unload an embedded model after this time without a request.", unit="s", ge=5, le=86_400
    )
    quality_floor: float = _setting(
        0.0, "Minimum quality (F1 on labelled postings) of an engine that may be used; 0 allows all.", ge=0, le=1
    )
    latency_target_s: float = _setting(
        0.0, "Target time to an answer. Engines that meet it are preferred; 0 turns this off.", unit="s", ge=0, le=3600
    )
    allow_remote: bool = _setting(False, "Allow sending postings to engines on another machine.")
    explain_remote: bool = _setting(False, "Allow sending log records to engines on another machine.")
    answer_s: float = _setting(
        120.0, "Deadline of an answer, over all engines that are tried.", unit="s", ge=1, le=3600
    )
    first_token_s: float = _setting(
        5.0,
        "Ask the next engine if one has not begun its answer after this time, unless it loads a model or reads a long prompt.",
        unit="s",
        ge=0.5,
        le=3600,
    )
    benchmark_s: float = _setting(
        90.0,
        "Time that a benchmark measures speed. It ends earlier once the verdict is clear.",
        unit="s",
        ge=1,
        le=3600,
    )
    benchmark_postings: int = _setting(
        6, "Labelled postings on which a benchmark measures quality; 0 skips that.", ge=0, le=500
    )

    @field_validator("model_paths")
    @classmethod
    def _absolute(cls, paths: list[str]) -> list[str]:
        return _check_absolute(paths)

    @field_validator("models")
    @classmethod
    def _pairs(cls, models: list[str]) -> list[str]:
        for line in models:
            name, sign, model = line.partition("=")
            if not (sign and name.strip() and model.strip()):
                msg = f"{line!r} is not of the form engine=model"
                raise ValueError(msg)
        return models


class GatewaySettings(Section):
    """One address for every program that asks a model: OpenAI's and Ollama's API, answered by the engine that the policy chooses."""

    enabled: bool = _setting(False, "Serve OpenAI's and Ollama's API on a loopback port of this machine.")
    port: int = _setting(11435, "Port of the gateway; 0 picks a free one.", ge=0, le=65535)
    require_key: bool = _setting(
        True, "Answer only programs that show a key. Without it, every program of this machine is answered."
    )
    concurrency: int = _setting(64, "Calls that are answered at the same time; further ones wait.", ge=1, le=10_000)
    queue: int = _setting(256, "Calls that may wait for their turn; further ones are refused.", ge=0, le=100_000)
    body_mb: int = _setting(64, "Maximum size of a request.", unit="MiB", ge=1, le=4096)
    deadline_s: float = _setting(600.0, "Deadline of a whole answer.", unit="s", ge=1, le=86_400)
    first_byte_s: float = _setting(
        30.0,
        "Give up an engine that has not begun to stream its answer after this time, if there is another one.",
        unit="s",
        ge=0.1,
        le=3600,
    )
    hedge_s: float = _setting(
        4.0,
        "Ask the next engine as well if one has not begun its answer after this time; whichever begins first answers."
        " An engine that needed longer before has up to three times as long, this much more at most; one that does not even"
        " say which models it has, a half.",
        unit="s",
        ge=0.1,
        le=3600,
    )
    keep_texts: bool = _setting(
        False, "Keep prompts and answers, with secrets masked, where operators can read and delete them."
    )
    texts_days: int = _setting(7, "Age up to which prompts and answers are kept.", unit="days", ge=1, le=365)
    texts_mb: int = _setting(64, "Maximum size of the kept prompts and answers.", unit="MiB", ge=1, le=10_240)


class UserSettings(Section):
    """One person who can sign in. `watchkeeper password` creates the hash."""

    name: str = Field(min_length=1, max_length=200)
    password_hash: str = Field(pattern=r"^\$argon2", repr=False)
    role: Literal["viewer", "operator"] = "viewer"


class AlertSettings(Section):
    """Who is notified when an alert fires. The rules are tables of their own, `[[alert]]`."""

    webhook: str = _setting(
        "",
        "Address that gets each alert as JSON: one of Slack, Discord or Mattermost, or your own. env:NAME or file:PATH says where it is kept.",
    )
    command: list[str] = _setting(
        [], "Program and arguments to run for each alert. It gets the alert as JSON on standard input."
    )
    over: bool = _setting(True, "Also notify when an alert is over.")

    @field_validator("webhook")
    @classmethod
    def _address(cls, address: str) -> str:
        kind, _, where = address.partition(":")
        if address and not (kind in {"env", "file"} and where):
            if "…" in address:
                raise ValueError("the address is shortened here; give all of it")
            try:
                _check_url(address)
            except ValueError as error:  # without the address, which is often a secret
                raise ValueError("it is not an address such as https://example.org/hook") from error
        return address

    @field_validator("command")
    @classmethod
    def _command(cls, words: list[str]) -> list[str]:
        if words and (not words[0] or any("\0" in word for word in words)):
            raise ValueError("the first word names the program, and no word contains NUL")
        return words


class ActionSettings(Section):
    """What operators may do to the machine."""

    read_only: bool = _setting(False, "Refuse all actions on services, processes and models, from everyone.")


class AuthSettings(Section):
    """Who can sign in, and who can make changes."""

    mode: Literal["none", "password", "oidc"] = _setting(
        "none", "Sign-in: none (loopback only), password, or oidc (through Streamlit's st.login).", restart=True
    )
    users: list[UserSettings] = _setting(
        [], "People who can sign in with a password: name, password_hash, role (viewer or operator).", restart=True
    )
    session_hours: float = _setting(12.0, "How long a sign-in lasts.", unit="h", restart=True, gt=0, le=8760)
    operators: list[str] = _setting(
        [], "E-mail addresses of OIDC users who are operators. All others are viewers.", restart=True
    )

    @model_validator(mode="after")
    def _someone_can_sign_in(self) -> Self:
        if self.mode == "password" and not self.users:
            raise ValueError(
                "mode 'password' needs at least one entry in auth.users; `watchkeeper password` creates one"
            )
        names = [user.name for user in self.users]
        if len(set(names)) < len(names):
            raise ValueError("two entries of auth.users have the same name")
        return self


class MaskingSettings(Section):
    """What is hidden before it is stored or shown."""

    extra: list[str] = _setting(
        [], "Additional regular expressions of secrets to mask in command lines and log records.", restart=True
    )

    @field_validator("extra")
    @classmethod
    def _patterns(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                msg = f"{pattern!r} is not a regular expression: {error}"
                raise ValueError(msg) from error
        return patterns
