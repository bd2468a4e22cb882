"""The settings page: what is in force and whence, what is wrong beside its key, what would change, who may save."""

import tomllib
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from monitor.api_models.status import SettingInfo
from monitor.config.settings import all_fields, load_settings
from pages.shared.settings_form import problems_of, shape_of, shown
from tests.integration.pages.conftest import ROOT, ScriptedAgent, write_config
from tests.waiting import patient

PAGE = str(ROOT / "pages" / "settings.py")


def _open() -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=patient(20)).run()
    assert not app.exception
    return app


def _text(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in [*app.markdown, *app.caption])


def _saved(place: Path) -> dict[str, object]:
    path = place / "watchkeeper.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


@pytest.mark.usefixtures("agent")
def test_every_setting_is_shown_with_origin_and_meaning(place: Path) -> None:
    """Every key stands on the page with its origin, its description, and whether it needs a restart."""
    write_config(place / "watchkeeper.toml", "[store]\nlimit_mb = 99\n")
    app = _open()
    text = _text(app)
    for key, field in all_fields():
        assert f"`{key}`" in text
        assert f"](#{key.split('.')[0]})" in text  # a link to its section
        assert field.description is not None
        assert field.description in text
    assert "**`store.limit_mb`** :blue-badge[file]" in text
    assert "**`dashboard.port`** :gray-badge[default] :orange-badge[restart required]" in text
    assert str(place / "watchkeeper.toml") in text


@pytest.mark.usefixtures("agent")
def test_a_change_is_reviewed_then_saved(place: Path) -> None:
    """A change shows old and new before it is saved; saving writes that key alone and clears the review."""
    app = _open()
    assert not [button for button in app.button if button.label == "Save"]
    app.number_input(key="set_store.limit_mb_0").set_value(512).run()
    assert "`store.limit_mb`: 2048 MiB → **512** MiB" in _text(app)
    assert _saved(place) == {}
    app.button(key="save").click().run()
    assert not app.exception
    assert _saved(place) == {"store": {"limit_mb": 512}}
    assert [element.value for element in app.success] == ["Settings saved."]
    assert not [button for button in app.button if button.label == "Save"]
    assert app.number_input(key="set_store.limit_mb_1").value == 512


@pytest.mark.usefixtures("agent")
def test_a_wrong_value_is_named_beside_its_key_and_cannot_be_saved(place: Path) -> None:
    """What is not allowed is said with what is, and the button to save it cannot be pressed."""
    app = _open()
    app.number_input(key="set_store.limit_mb_0").set_value(3).run()
    app.text_area(key="set_logs.globs_0").set_value("relative/path.log").run()
    errors = [element.value.replace("\\", "") for element in app.error]
    assert any("store.limit_mb = 3" in text and "16" in text for text in errors)
    assert any("logs.globs" in text and "absolute" in text for text in errors)
    assert app.button(key="save").disabled
    app.button(key="discard").click().run()
    assert not app.error
    assert app.number_input(key="set_store.limit_mb_1").value == 2048
    assert _saved(place) == {}


def test_the_agents_own_refusal_is_shown(agent: ScriptedAgent, place: Path) -> None:
    """When the agent finds something wrong after all, nothing is saved and its words stand on the page."""
    app = _open()
    app.number_input(key="set_store.raw_days_0").set_value(3.0).run()
    agent.refusal = {"store.raw_days": "store.raw_days = 3: not on a Monday"}
    app.button(key="save").click().run()
    assert not app.exception
    errors = [element.value for element in app.error]
    assert "Settings were not saved" in errors[0]
    assert any("not on a Monday" in text for text in errors[1:])  # beside its key
    assert _saved(place) == {}


@pytest.mark.usefixtures("agent")
def test_what_needs_a_restart_says_so_after_saving() -> None:
    """A saved value that is not in force yet is named."""
    app = _open()
    app.number_input(key="set_sampling.interval_s_0").set_value(2.0).run()
    assert ":orange-badge[after a restart]" in _text(app)
    app.button(key="save").click().run()
    assert any("sampling.interval_s" in element.value for element in app.warning)


@pytest.mark.usefixtures("agent")
def test_a_value_of_the_file_can_go_back_to_the_default(place: Path) -> None:
    """Using the default removes the line from the file."""
    write_config(place / "watchkeeper.toml", '[store]\nlimit_mb = 99\n[logs]\nglobs = ["/a/*.log"]\n')
    app = _open()
    app.button(key="reset_store.limit_mb").click().run()
    assert "the default" in _text(app)
    app.button(key="save").click().run()
    assert _saved(place) == {"store": {}, "logs": {"globs": ["/a/*.log"]}}


HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x")
SIGNED = f'[auth]\nmode = "password"\n[[auth.users]]\nname = "ann"\npassword_hash = "{HASH}"\nrole = "operator"\n'


@pytest.mark.usefixtures("agent")
def test_viewers_can_change_nothing(place: Path) -> None:
    """Without the operator role every widget is locked, nothing can be saved, and no hash of a password is shown."""
    write_config(place / "watchkeeper.toml", SIGNED)
    app = _open()
    assert any("Only operators can change them" in element.value for element in app.info)
    widgets = [*app.number_input, *app.text_area, *app.text_input, *app.selectbox, *app.toggle]
    assert widgets
    assert all(element.disabled for element in widgets)
    assert not app.button
    everything = _text(app) + "".join(str(element.value) for element in app.text)
    assert "ann (operator)" in everything
    assert "argon2" not in everything


@pytest.mark.usefixtures("agent")
def test_the_role_is_asked_again_at_the_action(place: Path) -> None:
    """Who loses the role between drawing and pressing saves nothing."""
    app = _open()
    app.number_input(key="set_store.limit_mb_0").set_value(512).run()
    elsewhere = write_config(place / "signed.toml", SIGNED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATCHKEEPER_CONFIG", str(elsewhere))
        app.button(key="save").click().run()
    assert not app.exception
    assert "operator" in app.error[0].value
    assert _saved(place) == {}


@pytest.mark.usefixtures("agent")
def test_what_the_environment_sets_is_locked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that the environment holds says which variable, and cannot be changed here."""
    real = load_settings

    def _with_variable(path: Path, overrides: object, environ: object) -> object:
        return real(path, {}, {"WATCHKEEPER_STORE__LIMIT_MB": "77"}) if environ == {} else real(path, {}, {})

    monkeypatch.setattr("tests.integration.pages.conftest.load_settings", _with_variable)
    app = _open()
    assert app.number_input(key="set_store.limit_mb_0").disabled
    assert "`WATCHKEEPER_STORE__LIMIT_MB`" in _text(app)
    assert not (place / "watchkeeper.toml").exists()


def _infos() -> list[SettingInfo]:
    return [SettingInfo.model_validate(row) for row in load_settings(None, {}, {}).describe()]


def test_every_setting_has_a_widget() -> None:
    """Each setting but the people has a widget of its kind, numbers with their bounds."""
    fields = dict(all_fields())
    shapes = {info.key: shape_of(info, fields) for info in _infos()}
    assert {key for key, shape in shapes.items() if shape.kind == "fixed"} == {"auth.users"}
    assert shapes["store.limit_mb"].low == 16
    assert shapes["auth.mode"].choices == ("none", "password", "oidc")


def test_values_in_force_are_never_wrong() -> None:
    """Without a change nothing is wrong, and a password sign-in without people is."""
    assert problems_of(_infos(), {}) == {}
    assert "auth.mode" in problems_of(_infos(), {"auth.mode": "password"})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_can_be_written(value: object) -> None:
    """Whatever a setting holds has words."""
    assert shown(value)


@pytest.mark.usefixtures("agent")
def test_a_log_format_is_made_from_three_lines(place: Path) -> None:
    """Lines give a draft, the draft a preview; what is wrong cannot be saved; what is saved reads its files, and can be removed."""
    app = _open()
    app.text_area(key="format_lines").set_value(
        "node07 2026/3/20 22:11:12 <WARN> slow\nnode11 2026/3/9 2:11:12 <ERR> stuck\nno header"
    ).run()
    app.button(key="format_draft").click().run()
    assert not app.exception
    (shown,) = app.dataframe
    assert list(shown.value["Level"]) == ["warn", "error", ""]
    assert "1 of 3 lines do not match" in _text(app)
    assert "Give it a name" in _text(app)
    app.text_area(key="format_toml").set_value("pattern = '('").run()
    assert "regular expression" in app.error[0].value
    app.text_input(key="format_name").set_value("shop").run()
    assert app.button(key="format_save").disabled
    app.button(key="format_draft").click().run()
    app.text_input(key="format_files").set_value("/srv/shop/*.log").run()
    app.button(key="format_save").click().run()
    assert [element.value for element in app.success] == ["Format `shop` saved."]
    assert _saved(place) == {"logs": {"formats": ["/srv/shop/*.log=shop"]}}
    assert "**`shop`** :green-badge[2 of 2 samples right]" in _text(app)
    assert "Reads `/srv/shop/*.log`" in _text(app)
    app.button(key="format_edit_shop").click().run()
    assert "(?P<time>" in app.text_area(key="format_toml").value
    app.button(key="format_remove_shop").click().run()
    assert _saved(place) == {"logs": {"formats": []}}
    app.button(key="format_discard").click().run()
    app.text_area(key="format_lines").set_value("nothing to learn\nfrom these").run()
    app.button(key="format_draft").click().run()
    assert "Write the pattern by hand" in app.error[0].value
    assert list(app.dataframe[0].value["Message"]) == ["nothing to learn", "from these"], "a format to start from"
    assert not app.exception
