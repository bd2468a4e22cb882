"""Services in the settings file: what is refused, with which words, and how the file is changed."""

import shlex
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.services import ServiceSettings, next_run, typed
from monitor.config.settings import Settings, SettingsError, load_settings
from monitor.services.folder import hash_of

FILE = """# mine
[store]
limit_mb = 100  # enough

[[service]]
# the database
name = "db"
command = "postgres -D '/var/lib/my data'"
ready = { port = 5432 }

[[service]]
name = "api"
command = ["uvicorn", "app:app"]
environment = { TOKEN = "s3cret" }
depends_on = ["db"]
"""


def load(tmp_path: Path, text: str) -> Settings:
    """The settings of a file with this text."""
    file = tmp_path / "w.toml"
    file.write_text(text, "utf-8")
    return load_settings(file, None, {})


def test_services_are_read(tmp_path: Path) -> None:
    """A command is words or a text that is split as a shell would; a port may be a number."""
    db, api = load(tmp_path, FILE).service
    assert (db.words, db.ready and db.ready.check) == (["postgres", "-D", "/var/lib/my data"], ("port", "5432"))
    assert (api.words, api.depends_on, api.restart) == (["uvicorn", "app:app"], ["db"], "on-failure")


@given(words=st.lists(st.text(st.characters(exclude_characters="\0")), min_size=1))
def test_a_command_is_shown_as_a_person_types_it(words: list[str]) -> None:
    """Whatever its words are, a shell's rules give them back; a word with one kind of quotes stands in the other kind."""
    assert shlex.split(typed(words)) == words
    assert typed(["python", "-c", "print('x')", 'say "y"']) == """python -c "print('x')" 'say "y"'"""


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ({"command": "x"}, "service.number 3.name", "name is missing"),
        ({"name": "a b", "command": "x"}, "service.a b.name", "letters, digits"),
        ({"name": "a"}, "service.a.command", "command is missing"),
        ({"name": "a", "command": "  "}, "service.a.command", "is empty"),
        ({"name": "a", "command": "x 'y"}, "service.a.command", "no closing quotation"),
        ({"name": "a", "command": "x", "directory": "sub"}, "service.a.directory", "not an absolute path"),
        ({"name": "a", "command": "x", "restart": "often"}, "service.a.restart", "'never', 'on-failure' or 'always'"),
        ({"name": "a", "command": "x", "restrat": "never"}, "service.a.restrat", "did you mean restart?"),
        ({"name": "a", "command": "x", "schedule": "* *"}, "service.a.schedule", "is not cron syntax"),
        ({"name": "a", "command": "x", "schedule": "@reboot"}, "service.a.schedule", "is started with Watchkeeper"),
        ({"name": "a", "command": "x", "schedule": "0 0 31 2 *"}, "service.a.schedule", "31 2"),
        (
            {"name": "a", "command": "x", "schedule": "0 3 * * *", "restart": "always"},
            "service.a",
            "exclude each other",
        ),
        ({"name": "a", "command": "x", "ready": {}}, "service.a.ready", "exactly one of"),
        ({"name": "a", "command": "x", "ready": {"port": 1, "log": "x"}}, "service.a.ready", "exactly one of"),
        ({"name": "a", "command": "x", "ready": {"port": 70000}}, "service.a.ready.port", "is not a port"),
        ({"name": "a", "command": "x", "ready": {"http": "ftp://x"}}, "service.a.ready.http", "is not an address"),
        ({"name": "a", "command": "x", "ready": {"log": "(("}}, "service.a.ready.log", "not a regular expression"),
        ({"name": "a", "command": "x", "liveness": {"every_s": 5}}, "service.a.liveness", "port, http and command"),
        (
            {"name": "a", "command": "x", "liveness": {"port": 1, "log": "x"}},
            "service.a.liveness.log",
            "there is no such key",
        ),
        ({"name": "a", "command": "x", "stop_signal": "STOP"}, "service.a.stop_signal", "not one of TERM"),
        ({"name": "a", "command": "x", "depends_on": ["b"]}, "service", "depends on b, which does not exist"),
        ({"name": "a", "command": "x", "depends_on": ["a"]}, "service.a", "cannot depend on itself"),
        ({"name": "db", "command": "x"}, "service", "two services are named db"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, table: dict[str, Any], key: str, words: str) -> None:
    """One sentence that names the service, the key and what is allowed; the file stays as it was."""
    settings = load(tmp_path, FILE)
    file = tmp_path / "w.toml"
    with pytest.raises(SettingsError) as caught:
        settings.save_service("new", table)
    assert list(caught.value.problems) == [key]
    assert words in caught.value.message
    assert "service add --help" in caught.value.hint
    assert file.read_text("utf-8") == FILE


def test_secrets_of_the_environment_are_not_repeated(tmp_path: Path) -> None:
    """A wrong environment is refused without its values."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, FILE).save_service("x", {"name": "x", "command": "x", "environment": {"A B": "hunter2"}})
    assert "hunter2" not in caught.value.message


def test_a_circle_is_named(tmp_path: Path) -> None:
    """The error shows the way around it."""
    with pytest.raises(SettingsError, match="db → api → db"):
        load(tmp_path, FILE).save_service("db", {"name": "db", "command": "x", "depends_on": ["api"]})


def test_one_table_with_single_brackets_is_explained(tmp_path: Path) -> None:
    """`[service]` is the usual slip."""
    with pytest.raises(SettingsError, match=r"\[\[service\]\]"):
        load(tmp_path, '[service]\nname = "a"\n')


def test_a_service_is_changed_in_its_place(tmp_path: Path) -> None:
    """Comments, order and the other tables stay; keys that are not given go; what was saved is read back."""
    settings = load(tmp_path, FILE)
    saved = settings.save_service("db", {"name": "db", "command": "postgres", "restart": "always"})
    saved = saved.save_service("job", {"name": "job", "command": ["x", "a b"], "schedule": "0 3 * * *"})
    text = (tmp_path / "w.toml").read_text("utf-8")
    assert text.startswith('# mine\n[store]\nlimit_mb = 100  # enough\n\n[[service]]\n# the database\nname = "db"\n')
    assert [one["name"] for one in tomllib.loads(text)["service"]] == ["db", "api", "job"]
    assert "ready" not in tomllib.loads(text)["service"][0]
    assert load_settings(tmp_path / "w.toml", None, {}).service == saved.service
    with pytest.raises(SettingsError, match="there is a service db already"):
        saved.save_service("db", {"name": "db", "command": "other"}, new=True)
    assert load_settings(tmp_path / "w.toml", None, {}).service == saved.service


def test_a_service_is_removed_unless_another_needs_it(tmp_path: Path) -> None:
    """The dependent one first."""
    settings = load(tmp_path, FILE)
    with pytest.raises(SettingsError, match="api depends on db"):
        settings.save_service("db", None)
    saved = settings.save_service("api", None).save_service("db", None)
    assert saved.service == ()
    assert "service" not in tomllib.loads((tmp_path / "w.toml").read_text("utf-8"))
    with pytest.raises(SettingsError, match="there is no service"):
        saved.save_service("db", None)


def test_other_settings_can_be_saved_beside_services(tmp_path: Path) -> None:
    """Saving one leaves the other."""
    saved = load(tmp_path, FILE).save({"store.limit_mb": 200})
    assert len(saved.service) == 2
    assert len(load_settings(tmp_path / "w.toml", None, {}).service) == 2
    assert "service" not in {row["key"].split(".")[0] for row in saved.describe()}


@given(st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)), st.integers(0, 59), st.integers(0, 23))  # noqa: DTZ001
def test_the_next_run_is_the_first_such_minute_from_now(at: datetime, minute: int, hour: int) -> None:
    """At that minute, later than now, and at most a day (25 hours where summer time ends)."""
    now = at.replace(tzinfo=UTC)
    found = next_run(f"{minute} {hour} * * *", now)
    assert (found.astimezone().minute, found.second) == (minute, 0)
    assert timedelta(0) < found - now <= timedelta(hours=25)


def test_a_change_that_needs_no_restart_is_no_change_for_the_shim() -> None:
    """What the agent follows at once, and a key at its default, leave the mark of a running service's settings as it is."""
    one = ServiceSettings(name="a", command="x")
    at_once = {"autostart": False, "schedule": "0 3 * * *", "depends_on": ["b"], "crash_limit": 5}
    assert hash_of(one) == hash_of(ServiceSettings(name="a", command="x", **at_once))
    for later in ({"command": "y"}, {"liveness": {"port": 80}}, {"environment": {"A": "1"}}, {"stop_grace_s": 1.0}):
        assert hash_of(one) != hash_of(ServiceSettings(**{"name": "a", "command": "x", **later}))


@pytest.mark.parametrize(
    ("name", "hour", "day"), [("@hourly", 15, 12), ("@daily", 0, 13), ("@midnight", 0, 13), ("@weekly", 0, 18)]
)
def test_what_cron_calls_its_schedules_is_known(name: str, hour: int, day: int) -> None:
    """As in a crontab."""
    found = next_run(name, datetime(2026, 1, 12, 14, 30).astimezone())
    assert (found.hour, found.minute, found.day) == (hour, 0, day)
