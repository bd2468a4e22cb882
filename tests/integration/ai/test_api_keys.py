"""Keys of servers: from the environment or a closed file to a real server that demands one; never into a setting, an answer or an error."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ai.backends.openai.backend import OpenAIBackend
from ai.core.errors import BackendError, BadRequest
from ai.core.protocol import complete
from ai.core.types import LoadSpec
from ai.discovery.address import key_header
from monitor.agent.ai_runtime import ai_config
from monitor.agent.engine_watch import check_engines
from monitor.config.api_keys import address_of, resolve_keys, write_key
from monitor.config.settings import SettingsError, load_settings
from tests.doubles.ai_kit import ask, http, raw_server
from tests.doubles.forked import COMMANDS
from tests.integration.ai.conftest import KEY


def settings(folder: Path, line: str, environ: dict[str, str] | None = None) -> Any:
    """Settings with one line about a key."""
    file = folder / "config.toml"
    file.write_text(f"[engines]\nollama_url = ''\napi_keys = [{json.dumps(line)}]\n", "utf-8")
    return load_settings(file, environ=environ or {})


def say(address: str, key: str) -> str:
    """A word from the server, with a key."""

    async def go() -> str:
        backend = OpenAIBackend(address, api_key=key)
        try:
            await backend.ensure_loaded(LoadSpec(""))
            return (await complete(backend, ask("Say hello."))).text
        finally:
            await backend.close()

    return asyncio.run(go())


@pytest.mark.parametrize("source", ["env", "file"])
def test_a_server_that_demands_a_key_answers_with_it(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """By the setting's reference; the setting as it is shown, and what the engines' look answers, hold no key."""
    monkeypatch.setenv("MODELS_KEY", KEY)
    line = f"{locked}=env:MODELS_KEY" if source == "env" else write_key(tmp_path / "keys", locked, KEY + "\n")
    chosen = settings(tmp_path, line)
    config = ai_config(chosen, None)
    assert say(locked, config.api_keys[locked.removesuffix("/v1")])
    found = asyncio.run(check_engines(chosen.engines.model_copy(update={"openai_urls": [locked]}), chosen.ai))
    assert next(row for row in found if row["name"] == "openai")["state"] == "ready"
    for shown in (json.dumps(chosen.describe()), json.dumps(found), repr(config), repr(chosen)):
        assert KEY not in shown


@pytest.mark.parametrize("key", ["", "sk-a-wrong-one-123"])
def test_without_it_the_server_is_no_outage_and_the_remedy_is_told(locked: str, key: str) -> None:
    """No key or a wrong one: refused, with what to do, and the key that was tried is not repeated."""
    with pytest.raises(BadRequest) as refused:
        say(locked, key)
    assert not refused.value.outage
    assert "watchkeeper ai key" in refused.value.hint
    assert not key or key not in f"{refused.value.message}{refused.value.hint}{refused.value.args}"


def test_a_server_that_repeats_the_key_is_not_believed() -> None:
    """OpenAI's own wording has the key in it: it is taken out of the error."""

    async def go() -> BackendError:
        said = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}})
        models = json.dumps({"data": [{"id": "m"}]})
        async with raw_server([http(models)], [http(said, "401 Unauthorized")]) as raw:
            backend = OpenAIBackend(raw.url, api_key=KEY)
            try:
                await backend.ensure_loaded(LoadSpec(""))
                with pytest.raises(BadRequest) as refused:
                    await complete(backend, ask("Hello"))
                assert KEY.encode() in raw.requests[1]
            finally:
                await backend.close()
            return refused.value

    error = asyncio.run(go())
    assert KEY not in f"{error.message}{error.hint}{error.args}"
    assert "Incorrect API key provided: •••" in error.message


def test_a_key_goes_to_its_own_server_only(tmp_path: Path) -> None:
    """Another port is another server."""
    keys = resolve_keys(["http://127.0.0.1:8000=env:A"], {"A": KEY})
    assert keys.key_of("http://127.0.0.1:8000/v1/") == KEY
    assert keys.key_of("http://127.0.0.1:8001/v1") == ""
    assert keys.key_of("https://127.0.0.1:8000/v1") == ""
    assert KEY not in repr(keys)
    del tmp_path


@pytest.mark.parametrize(
    ("set_for", "asked"),
    [
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000/v1"), ("http://[::]:8000", "http://[::1]:8000"), ("https://H.example/v1/", "https://h.example"),
        ("http://h:8000/models", "http://h:8000/models/v1"),
    ],
)  # fmt: skip
def test_an_address_is_the_same_however_it_is_written(set_for: str, asked: str) -> None:
    """A listening address, capitals, a slash and `/v1` make no other server; a port that is none is asked for without a key, and breaks nothing."""
    keys = resolve_keys([f"{set_for}=env:A"], {"A": KEY})
    assert keys.key_of(asked) == KEY
    assert address_of("http://[::1]:8000/v1") == "http://[::1]:8000"
    assert address_of("http://[") == "http://["
    assert keys.key_of("http://h:99999999") == ""


def test_a_name_and_password_in_an_address_are_its_key() -> None:
    """Addresses are shown and compared without them; the server gets them as a header, unless it has a key of its own."""
    servers = ["http://ada:p%40ss@h:8000/v1", "http://ada:other@g:8000"]
    found = resolve_keys(["http://g:8000=env:A"], {"A": KEY}, servers)
    assert key_header("", found.key_of("http://h:8000/v1")) == {"Authorization": "Basic YWRhOnBAc3M="}
    assert key_header("", found.key_of("http://g:8000")) == {"Authorization": f"Bearer {KEY}"}
    assert "YWRh" not in repr(found)


def test_a_key_that_is_none_is_not_sent(tmp_path: Path) -> None:
    """An empty variable, two lines, a letter that no header may hold, a file that is too long: each is told, and no key comes of it."""
    long = tmp_path / "long"
    long.touch(0o600)
    long.write_text(" " * 9000 + KEY)
    environ = {"EMPTY": "", "TWO": f"{KEY}\n{KEY}", "ODD": f"{KEY}é"}
    found = resolve_keys(
        ["http://a:1=env:EMPTY", "http://b:1=env:TWO", "http://c:1=env:ODD", f"http://d:1=file:{long}"], environ
    )
    assert not found.keys
    told = [found.problem_of(f"http://{name}:1") for name in "abcd"]
    assert ["not set" in told[0], "one line" in told[1], "one line" in told[2], "not a key file" in told[3]] == [
        True
    ] * 4
    assert KEY not in "".join(told)


def test_a_key_file_of_others_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that its group may read, nor one that belongs to somebody else."""
    path = Path(write_key(tmp_path / "keys", "http://h:1", KEY).partition("file:")[2])
    line = [f"http://h:1=file:{path}"]
    path.chmod(0o640)
    assert "chmod 600" in resolve_keys(line, {}).problem_of("http://h:1")
    path.chmod(0o600)
    assert resolve_keys(line, {}).key_of("http://h:1") == KEY
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert "another user" in resolve_keys(line, {}).problem_of("http://h:1")


def test_a_new_key_takes_the_place_of_what_is_there(tmp_path: Path) -> None:
    """An older key with an open file, or a link to somewhere else: the link's target stays as it was, and the file is closed."""
    folder, target = tmp_path / "keys", tmp_path / "target"
    path = Path(write_key(folder, "http://h:1", "old-key").partition("file:")[2])
    path.chmod(0o644)
    write_key(folder, "http://h:1", KEY)
    assert (path.read_text().strip(), path.stat().st_mode & 0o777) == (KEY, 0o600)
    path.unlink()
    target.write_text("precious")
    path.symlink_to(target)
    write_key(folder, "http://h:1", KEY)
    assert (target.read_text(), path.is_symlink(), path.read_text().strip()) == ("precious", False, KEY)


def test_what_is_wrong_with_a_key_is_told_where_the_server_is_shown(tmp_path: Path) -> None:
    """A variable that is not set, a file that others may read, an empty one, a pipe that is not waited for: the card of the engine says which."""
    path = Path(write_key(tmp_path / "keys", "http://h:1", KEY).partition("file:")[2])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)
    empty = tmp_path / "empty"
    empty.touch(0o600)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    lines = [
        "http://a:1=env:NO_SUCH",
        f"http://b:1=file:{path}",
        f"http://c:1=file:{empty}",
        "http://d:1=file:/none",
        f"http://e:1=file:{pipe}",
    ]
    found = resolve_keys(lines, {})
    assert not found.keys
    assert [why in found.problem_of(f"http://{name}:1") for name, why in zip("abcde", ("not set", "chmod 600", "one line of printable", "cannot be read", "not a key file"), strict=True)] == [True] * 5  # fmt: skip

    async def go() -> dict[str, Any]:
        async with raw_server([http("{}", "401 Unauthorized")]) as raw:
            chosen = settings(tmp_path, f"{raw.url}=file:{path}")
            rows = await check_engines(chosen.engines.model_copy(update={"openai_urls": [raw.url]}), chosen.ai)
            return next(row for row in rows if row["name"] == "openai")

    assert "chmod 600" in asyncio.run(go())["remedy"]


@pytest.mark.parametrize(
    "line",
    [
        KEY,
        f"http://h:1={KEY}",
        f"http://h:1=env:{KEY}",
        "http://h:1=file:relative",
        f"http://:1=env:{KEY}",
        "http://h:1=file: /a",
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    """Somebody puts the key itself into the setting: told how it is done, without it being shown again."""
    with pytest.raises(SettingsError) as wrong:
        settings(tmp_path, line)
    assert KEY not in f"{wrong.value.message}{wrong.value.hint}{wrong.value.problems}"
    assert "engines.api_keys" in wrong.value.problems


def test_the_command_keeps_a_key_and_forgets_it(tmp_path: Path) -> None:
    """Read from standard input; the file is closed, the settings name it, and nothing prints it."""
    environ = {
        **os.environ,
        "WATCHKEEPER_DATA_DIR": str(tmp_path / "d"),
        "WATCHKEEPER_CONFIG": str(tmp_path / "c.toml"),
    }

    def wk(*words: str) -> str:
        done = COMMANDS.run(["ai", "key", *words], environ, KEY)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    (tmp_path / "c.toml").write_text('[engines]\napi_keys = ["http://other:1=env:OTHER"]\n', "utf-8")
    said = wk("http://10.0.0.5:8000/v1")
    chosen = load_settings(tmp_path / "c.toml", environ={}).engines.api_keys
    assert resolve_keys(chosen, {}).key_of("http://10.0.0.5:8000") == KEY
    assert KEY not in said + (tmp_path / "c.toml").read_text("utf-8")
    said = wk("http://10.0.0.5:8000", "--remove")
    assert load_settings(tmp_path / "c.toml", environ={}).engines.api_keys == ["http://other:1=env:OTHER"]
