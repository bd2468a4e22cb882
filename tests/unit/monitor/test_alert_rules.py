"""Rules of alerts: what the settings file may say, what is refused and in which words, and what a rule says of itself."""

from pathlib import Path

import pytest

from monitor.config.alerts import BUILT_IN, METRICS, AlertRule, amount, in_force
from monitor.config.settings import Settings, SettingsError, load_settings
from monitor.health.words import told

FILE = """# mine
[[alert]]
name = "leak"   # the trainer
metric = "process.rss"
of = "train.py"
above = "20 GB"
"""


def load(folder: Path, text: str) -> Settings:
    """The settings of a file with this text."""
    (folder / "watchkeeper.toml").write_text(text, "utf-8")
    return load_settings(folder / "watchkeeper.toml", None, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [("95", 95), ("95 %", 95), ("20 GB", 20e9), ("512MiB", 512 * 2**20), ("1.5k", 1500), ("-3", -3), ("10 MB/s", 10e6)],
)
def test_a_value_is_written_with_its_unit(text: str, value: float) -> None:
    """As people write it."""
    assert amount(text) == value


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('metric = "cpu_pc"\nabove = 1', "did you mean cpu_pct?"),
        ('metric = "cpu_pct"', "a metric needs one of above, below and change"),
        ('metric = "cpu_pct"\nabove = 1\nbelow = 0', "a metric needs one of above, below and change"),
        ('metric = "cpu_pct"\nchange = "-150 %"', "such as +100 % or -50 %"),
        ('metric = "cpu_pct"\nchange = "+50 %"\nclear = 10', "clear belongs to above and below"),
        ('metric = "process.rss"\nof = "x"\nchange = "+50 %"', "which come and go"),
        ('metric = "cpu_pct"\nabove = "much"', "is not a value such as 95"),
        ('metric = "cpu_pct"\nabove = 90\nclear = 95', "clear lies beyond the threshold"),
        ('metric = "cpu_pct"\nof = "x"\nabove = 90', "cpu_pct has no parts"),
        ('metric = "process.rss"\nabove = 90', "`of` must say which process"),
        ('records = "x"\nfails = "y"', "give exactly one of metric, records and fails"),
        ("", "give exactly one of metric, records and fails"),
        ('records = " "', "it is empty"),
        ('records = "x"\nabove = 3', "belong to a metric, not to records"),
        ('records = "x"\ncuont = 3', "did you mean count?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, keys: str, said: str) -> None:
    """With the rule and what is allowed."""
    with pytest.raises(SettingsError) as wrong:
        load(tmp_path, f'[[alert]]\nname = "mine"\n{keys}\n')
    assert said in wrong.value.message
    assert "alert mine" in wrong.value.message


def test_two_rules_cannot_share_a_name(tmp_path: Path) -> None:
    """Nor is a table of one bracket taken for one."""
    one = '[[alert]]\nname = "a"\nrecords = "x"\n'
    with pytest.raises(SettingsError, match="two alerts are named a"):
        load(tmp_path, one + one)
    with pytest.raises(SettingsError, match=r"begins with \[\[alert\]\]"):
        load(tmp_path, '[alert]\nname = "a"\n')


@pytest.mark.parametrize("kind", ["alert", "service"])
@pytest.mark.parametrize("found", ["5", "true", '"x"', '["x"]', "[[1]]", "[{ name = 1 }, 2]"])
def test_a_file_that_somebody_damaged_meanwhile_is_not_written(tmp_path: Path, kind: str, found: str) -> None:
    """It is read again before each change, and what it has in the place of the tables is named, as at a start."""
    settings = load(tmp_path, "")
    (tmp_path / "watchkeeper.toml").write_text(f"{kind} = {found}\n")
    saves = {"alert": settings.save_alert, "service": settings.save_service}
    with pytest.raises(SettingsError, match=rf"begins with \[\[{kind}\]\]"):
        saves[kind]("x", {"name": "x", "records": "y", "command": "true"})
    with pytest.raises(SettingsError, match=rf"begins with \[\[{kind}\]\]"):
        settings.again()
    assert (tmp_path / "watchkeeper.toml").read_text() == f"{kind} = {found}\n"


@pytest.mark.parametrize("empty", ["{}", "[]"])
def test_an_empty_place_for_rules_is_filled(tmp_path: Path, empty: str) -> None:
    """Whatever is empty there."""
    settings = load(tmp_path, f"alert = {empty}\n")
    saved = settings.save_alert("x", {"name": "x", "records": "y"})
    assert [rule.name for rule in saved.again().alert] == ["x"]


def test_a_rule_is_saved_in_its_place(tmp_path: Path) -> None:
    """Comments and the other tables stay; a wrong one changes nothing."""
    settings = load(tmp_path, FILE)
    with pytest.raises(SettingsError, match="alert new"):
        settings.save_alert("new", {"name": "new"})
    assert (tmp_path / "watchkeeper.toml").read_text("utf-8") == FILE
    saved = settings.save_alert("new", {"name": "new", "records": "needle", "count": 3})
    saved = saved.save_alert("leak", {"name": "leak", "metric": "process.rss", "of": "train.py", "above": "30 GB"})
    text = (tmp_path / "watchkeeper.toml").read_text("utf-8")
    assert "# mine" in text
    assert "# the trainer" in text
    assert [(rule.name, rule.threshold, rule.count) for rule in saved.alert] == [("leak", 30e9, 1), ("new", 0, 3)]
    assert load_settings(tmp_path / "watchkeeper.toml", None, {}).alert == saved.alert
    with pytest.raises(SettingsError, match="there is no alert other"):
        saved.save_alert("other", None)
    assert saved.save_alert("leak", None).save_alert("new", None).alert == ()


def test_a_rule_of_the_settings_takes_the_place_of_one_that_comes_with_the_program() -> None:
    """By its name."""
    hot = AlertRule(name="GPU hot", metric="gpu.temp_c", above=80)
    assert in_force([]) == list(BUILT_IN)
    found = in_force([hot])
    assert len(found) == len(BUILT_IN)
    assert found[0] is hot


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.name)
def test_rules_say_what_they_watch(rule: AlertRule) -> None:
    """In words, without a name of the code."""
    said = told(rule)
    assert said[0].isalpha()
    assert "None" not in said
    assert (rule.metric or "_") not in said


def test_metrics_have_names_that_differ() -> None:
    """A list to choose from has no two that look alike."""
    labels = [metric.label for metric in METRICS.values()]
    assert len(set(labels)) == len(labels)
