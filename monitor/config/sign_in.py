"""The provider of a sign-in with OpenID Connect, as Streamlit's `secrets.toml` describes it."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any, Final

from monitor.core import paths

_SHARED: Final = ("redirect_uri", "cookie_secret")
_PROVIDER: Final = ("client_id", "client_secret", "server_metadata_url")


def secrets_files(settings_file: Path | None) -> tuple[Path, ...]:
    """Files with the client of the provider, the last one wins: Streamlit's usual places, and the folder of the settings file."""
    usual = (Path("~/.streamlit/secrets.toml").expanduser(), paths.ROOT / ".streamlit" / "secrets.toml")
    return usual if settings_file is None else (*usual, settings_file.with_name("secrets.toml"))


def provider_problem(settings_file: Path | None) -> str:
    """Why nobody could sign in with OpenID Connect, in one sentence; empty when the provider is described."""
    files = secrets_files(settings_file)
    auth: dict[str, Any] = {}
    for file in files:
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8")).get("auth")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            return f"{file} cannot be read: {error}"
        if isinstance(found, dict):
            auth |= found
    if not auth:
        return f"no provider is described: {files[-1]} has no section [auth]"
    named = any(isinstance(part, dict) for part in auth.values())  # `[auth.google]`: the provider's keys are there
    missing = [key for key in (*_SHARED, *(() if named else _PROVIDER)) if not auth.get(key)]
    if missing:
        return f"the section [auth] of secrets.toml lacks {', '.join(missing)}"
    if importlib.util.find_spec("authlib") is None:
        return "the package authlib is not installed"
    return ""
