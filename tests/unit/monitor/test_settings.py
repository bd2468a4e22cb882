"""Settings: precedence, origins, refusals, and a file that keeps its comments."""

import contextlib
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.settings import SettingsError, all_fields, load_settings
from monitor.core.errors import ConfigError


def test_precedence_and_origin(tmp_path: Path) -> None:
    """Option wins over environment, that over the file, that over the default; each says where it came from."""
    file = tmp_path / "w.toml"
    file.write_text("[store]\nlimit_mb = 100\nraw_days = 3\nlog_days = 5\n", "utf-8")
    environ = {
        "WATCHKEEPER_STORE__RAW_DAYS": "4",
        "WATCHKEEPER_STORE__LOG_DAYS": "6",
        "WATCHKEEPER_LOGS__GLOBS": "/a/*.log, /b",
    }
    found = load_settings(file, {"store.log_days": 8.0, "dashboard.port": None}, environ)
    values = {
        k: (found.get(k), found.origin(k))
        for k in ("store.limit_mb", "store.raw_days", "store.log_days", "logs.globs", "dashboard.port")
    }
    assert values == {
        "store.limit_mb": (100, "file"),
        "store.raw_days": (4.0, "environment"),
        "store.log_days": (8.0, "option"),
        "logs.globs": (["/a/*.log", "/b"], "environment"),
        "dashboard.port": (8501, "default"),
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("store.limit_mb", 1),
        ("store.limit_mb", "much"),
        ("dashboard.port", 70000),
        ("sampling.interval_s", 0),
        ("logs.globs", ["relative.log"]),
        ("engines.ollama_url", "file:///etc/passwd"),
        ("masking.extra", ["(("]),
        ("auth.mode", "open"),
        ("engines.check_s", float("nan")),
    ],
)
def test_a_wrong_value_is_named(key: str, value: Any) -> None:
    """The error names the key and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {key: value}, {})
    assert set(caught.value.problems) == {key}
    assert key in caught.value.message
    assert caught.value.hint


def test_a_misspelt_key_is_corrected(tmp_path: Path) -> None:
    """A key that does not exist is refused, with the closest one that does."""
    file = tmp_path / "w.toml"
    file.write_text("[store]\nlimit_mbs = 100\n", "utf-8")
    with pytest.raises(SettingsError, match=r"did you mean store\.limit_mb"):
        load_settings(file, {}, {})
    file.write_text('[logs]\npaths = ["/srv/*.log"]\n', "utf-8")  # a word of its description
    with pytest.raises(SettingsError, match=r"did you mean logs\.globs"):
        load_settings(file, {}, {})


def test_broken_toml_is_an_error_with_its_place(tmp_path: Path) -> None:
    """A file that is not TOML is refused with line and column."""
    file = tmp_path / "w.toml"
    file.write_text("[store\n", "utf-8")
    with pytest.raises(ConfigError, match="line 1"):
        load_settings(file, {}, {})


def test_password_mode_needs_a_user() -> None:
    """A sign-in that nobody can pass is refused; a hash never shows in the message or the description."""
    with pytest.raises(SettingsError, match="watchkeeper password"):
        load_settings(None, {"auth.mode": "password"}, {})
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {"auth.users": [{"name": "a", "password_hash": "plain-secret"}]}, {})
    assert "plain-secret" not in caught.value.message
    users = [{"name": "a", "password_hash": "$argon2id$v=19$xyz", "role": "operator"}]
    rows = {r["key"]: r for r in load_settings(None, {"auth.mode": "password", "auth.users": users}, {}).describe()}
    assert rows["auth.users"]["value"] == [{"name": "a", "role": "operator"}]
    assert not rows["auth.users"]["editable"]


def test_saving_keeps_comments_and_is_private(tmp_path: Path) -> None:
    """Only the lines changed change; None removes one; a new file is readable by its owner alone."""
    file = tmp_path / "sub/w.toml"
    settings = load_settings(file, {}, {}).save({"store.limit_mb": 300})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("# mine\n[store]\nlimit_mb = 300 # why\nraw_days = 3\n", "utf-8")
    settings = load_settings(file, {}, {}).save({"store.limit_mb": "400", "store.raw_days": None, "logs.globs": ["/x"]})
    assert settings.store.limit_mb == 400
    text = file.read_text("utf-8")
    assert "# mine" in text
    assert "limit_mb = 400 # why" in text
    assert "raw_days" not in text
    assert tomllib.loads(text)["logs"]["globs"] == ["/x"]
    assert [p.name for p in file.parent.iterdir()] == ["w.toml"]


def test_nothing_is_saved_when_one_is_wrong(tmp_path: Path) -> None:
    """All or nothing; and what an option fixes cannot be saved over."""
    file = tmp_path / "w.toml"
    file.write_text("[store]\nlimit_mb = 300\n", "utf-8")
    before = file.read_bytes()
    for changes in ({"store.limit_mb": 500, "store.raw_days": -1}, {"no.such": 1}):
        with pytest.raises(SettingsError):
            load_settings(file, {}, {}).save(changes)
    with pytest.raises(SettingsError, match="option"):
        load_settings(file, {"store.limit_mb": 600}, {}).save({"store.limit_mb": 500})
    assert file.read_bytes() == before


HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHQ"


def test_what_the_next_start_would_refuse_is_not_saved(tmp_path: Path) -> None:
    """An address that others reach needs a sign-in, first; one that this machine does not have, or that is none, is refused."""
    file = tmp_path / "w.toml"
    file.write_text("# mine\n", "utf-8")
    for host, why in (("0.0.0.0", "no sign-in"), ("::", "no sign-in"), ("a b", "neither"), ("10.0.0.300", "neither")):
        with pytest.raises(SettingsError, match=why) as caught:
            load_settings(file, environ={}).save({"dashboard.host": host})
        assert caught.value.problems.keys() == {"dashboard.host"}
        assert caught.value.hint
    assert file.read_text("utf-8") == "# mine\n"
    load_settings(file, environ={}).save({"dashboard.host": "localhost"})
    file.write_text(f'[auth]\nmode = "password"\n[[auth.users]]\nname = "ann"\npassword_hash = "{HASH}"\n', "utf-8")
    assert load_settings(file, environ={}).save({"dashboard.host": "0.0.0.0"}).dashboard.host == "0.0.0.0"
    with pytest.raises(SettingsError, match="no sign-in"):
        load_settings(file, environ={}).save({"auth.mode": "none"})
    with pytest.raises(SettingsError, match="cannot listen there"):
        load_settings(file, environ={}).save({"dashboard.host": "203.0.113.7"})


def test_addresses_of_engines_are_taken_as_people_paste_them(tmp_path: Path) -> None:
    """Without a scheme, with a route, in quotes: what is used is an address to connect to. Without a port that is one they are refused."""
    pasted = ["box:8000/v1", " http://box:8000/v1/chat/completions ", '"http://[::]:5"']
    found = load_settings(tmp_path / "none.toml", {"engines.openai_urls": pasted, "engines.ollama_url": "0.0.0.0"}, {})
    assert found.get("engines.openai_urls") == ["http://box:8000/v1", "http://box:8000/v1", "http://[::1]:5"]
    assert found.get("engines.ollama_url") == "http://127.0.0.1:11434"
    with pytest.raises(SettingsError, match="has no valid port"):
        load_settings(tmp_path / "none.toml", {"engines.openai_urls": ["box:abc"]}, {})


@pytest.mark.parametrize("proxy", ["10.0.0.0/33", "proxy.example", "10.0.0.1/24"])
def test_a_proxy_is_an_address_or_a_network(proxy: str) -> None:
    """Anything else would be believed by nobody, or by everybody."""
    with pytest.raises(SettingsError, match="network"):
        load_settings(None, {"dashboard.trusted_proxies": [proxy]}, {})


def test_every_setting_is_documented() -> None:
    """Each has a meaning of a sentence."""
    for key, field in all_fields():
        assert field.description, key
        assert field.description.endswith("."), key


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(st.lists(TEXT.map(lambda t: "/" + t), max_size=4), st.integers(16, 10_000), st.floats(5, 60))
def test_what_is_saved_comes_back(
    tmp_path_factory: pytest.TempPathFactory, globs: list[str], limit: int, refresh: float
) -> None:
    """Any right value survives the file."""
    file = tmp_path_factory.mktemp("s") / "w.toml"
    load_settings(file, {}, {}).save({"logs.globs": globs, "store.limit_mb": limit, "engines.check_s": refresh})
    again = load_settings(file, {}, {})
    assert (again.logs.globs, again.store.limit_mb, again.engines.check_s) == (globs, limit, refresh)


@given(
    st.dictionaries(
        st.sampled_from([key for key, _ in all_fields()]),
        st.none() | st.integers() | TEXT | st.lists(TEXT, max_size=2),
        max_size=4,
    )
)
def test_any_value_is_taken_or_refused(changes: dict[str, Any]) -> None:
    """No value makes loading fail in another way than with an error that names its key."""
    with contextlib.suppress(SettingsError):
        found = load_settings(None, changes, {})
        assert all(found.origin(key) == "option" for key, value in changes.items() if value is not None)


@pytest.mark.parametrize("line", ["plain", "/x/*.log=", "=plain", "x.log=plain"])
def test_a_format_is_named_for_a_path(tmp_path: Path, line: str) -> None:
    """Lines that are no PATTERN=FORMAT of an absolute path are refused with what they should be."""
    with pytest.raises(SettingsError, match=r"PATTERN=FORMAT|absolute"):
        load_settings(tmp_path / "none.toml").save({"logs.formats": [line]})


@pytest.mark.parametrize(
    ("name", "guess"),
    [("WATCHKEEPER_STOR__LIMIT_MB", "store.limit_mb"), ("WATCHKEEPER_STORE__LIMIT_MBS", "store.limit_mb")],
)
def test_a_misspelt_variable_is_told(name: str, guess: str) -> None:
    """A variable that names no setting is refused, with the closest setting; so is a misspelt section."""
    with pytest.raises(SettingsError, match=rf"set by the environment.*did you mean {guess}"):
        load_settings(None, {}, {name: "100"})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_in_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    """When it is read, and when it comes later, while something is saved; nobody waits for a writer."""
    path = tmp_path / "watchkeeper.toml"
    settings = load_settings(path, None, {})
    os.mkfifo(path)
    for what in (lambda: load_settings(path, None, {}), lambda: settings.save({"store.limit_mb": 512})):
        with pytest.raises(ConfigError, match="it is a named pipe"):
            what()
