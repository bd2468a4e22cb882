"""The AI back ends page at work: the button, progress, cancel, verdict, figures, charts, history, policy, calls, a posting."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from monitor.api_models.ai import Benchmark
from pages.ai_parts.benchmark_live import ratio_picture
from tests.doubles.page_ai import RUNNING, AiDouble, load_report, report
from tests.integration.pages.conftest import OLLAMA, ROOT, ScriptedAgent
from tests.waiting import patient

PAGE = str(ROOT / "pages" / "ai_backend.py")


@pytest.fixture
def ai(place: Path) -> Iterator[AiDouble]:
    """An agent whose engines do what the test says."""
    double = AiDouble()
    scripted = ScriptedAgent(place / "data", place / "watchkeeper.toml")
    scripted.more_routes = double.routes()
    scripted.start()
    yield double
    scripted.stop()


def _open(**query: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=patient(30))
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def _text(app: AppTest) -> str:
    elements = [*app.title, *app.header, *app.subheader, *app.markdown, *app.caption]
    return "\n".join(str(element.value) for element in elements).replace("\\", "").replace("\u2060", "")


def test_one_click_begins_a_benchmark_and_shows_its_progress(ai: AiDouble) -> None:
    """Before: an empty state that teaches. After: steps, time left, figures so far, the pairs, and a way to cancel."""
    app = _open()
    assert "No benchmark yet" in app.info[0].value
    app.button(key="benchmark").click().run()
    assert not app.exception
    assert ai.asked[0][0] == "benchmark"
    assert ai.asked[0][1]["kind"] == "auto"
    text = _text(app)
    for words in ("Benchmark running", "Measure pairs", "95.0", "1 of 12 measurements were disturbed"):
        assert words in text + "\n".join(str(m.value) for m in app.metric)
    assert app.button(key="benchmark").disabled
    assert _open().button(key="benchmark").disabled
    app.button(key="benchmark_cancel").click().run()
    assert ("cancel", None) in ai.asked
    ai.state = {"state": "idle"}
    assert not app.run().button(key="benchmark").disabled


def test_the_verdict_on_speed_is_shown_while_quality_is_measured(ai: AiDouble) -> None:
    """Before: how long until it stands. Then: the verdict, and the time that the rest takes."""
    ai.state = RUNNING | {"verdict_left_s": 31.0}
    app = _open()
    assert "verdict on speed in about 31 s at the latest" in _progress(app)
    ai.state = RUNNING | {
        "phase": "quality",
        "message": "Quality of x, 1 of 6 postings answered",
        "verdict": "x is 1.3× as fast as ollama.",
        "left_s": 100.0,
    }
    app = _open()
    assert "Verdict on speed." in _text(app)
    ai.state |= {"ratios": {}, "verdict": "x and ollama could not be compared."}
    assert "appears here once" not in _text(_open())
    assert "x is 1.3× as fast as ollama." in _text(app)
    assert "1 of 6 postings answered, about 2 min left" in _progress(app)


def _progress(app: AppTest) -> str:
    (bar,) = app.get("progress")
    return str(bar.proto.text).replace("\\", "").replace("\u2060", "")


def test_a_refusal_says_why(ai: AiDouble) -> None:
    """Without a usable engine the click leads to a sentence and what to do."""
    ai.refusal = (409, "no engine can be measured here")
    app = _open()
    app.button(key="benchmark").click().run()
    assert not app.exception
    said = app.error[0].value.replace("\\", "")
    assert "No engine can be measured here." in said
    assert "look at the cards" in said


def test_the_verdict_stands_first_in_words_then_figures_then_measurements(ai: AiDouble) -> None:
    """Verdict with interval, the plan's claim, figures with their spread, what could not be measured, quality, all rows."""
    ai.reports = [report()]
    app = _open()
    text = _text(app)
    for words in (
        "1.31 times as fast as ollama (95 % between 1.24 and 1.39)", "Hypothesis of the plan.", "Not tested here", "A/A check passed", "8 pairs",
        "neighbour load", "Not like for like: the cache type differs", "124.0 tokens/s", "p95", "not measurable", "predicted", "One note.",
        "Quality on 6 labelled postings",
    ):  # fmt: skip
        assert words in text, words
    assert text.index("1.31 times") < text.index("124.0 tokens/s")
    assert "<b>fast" not in "\n".join(str(e.value) for e in app.markdown)
    assert len(app.dataframe[0].value) == 16
    assert len(app.get("download_button")) == 3
    assert len(app.get("plotly_chart")) == 5
    widths = [column.weight for column in app.columns if len(column.get("plotly_chart")) == 1]
    assert widths == [0.5, 0.5, 0.5, 0.5, 1.0]  # in rows of two, and none beside a hole


def test_settings_that_won_are_taken_over_and_given_back(ai: AiDouble) -> None:
    """One click each way; what is in use is said; a benchmark without such settings offers nothing."""
    ai.reports = [report()]
    assert "offer_take" not in {button.key for button in _open().button}
    settings = {
        "backend": "llamacpp",
        "settings": "1 thread, *2* for prompts",
        "sentence": "s",
        "threads": 1,
        "prompt_threads": 2,
        "kv_type": "f16",
    }
    ai.reports[0]["offer"] = settings
    app = _open()
    assert "Fastest settings here: 1 thread, *2* for prompts." in _text(app)
    app.button(key="offer_take").click().run()
    assert not app.exception
    assert ai.asked[-1] == ("use", "b1")
    assert "llamacpp uses the fastest settings of this benchmark" in _text(app)
    app.button(key="offer_take").click().run()
    assert ai.asked[-1] == ("reset", "llamacpp")
    assert "Fastest settings here:" in _text(app)


def test_a_card_says_which_settings_are_in_use_and_leads_back(ai: AiDouble) -> None:
    """The engine's card tells the benchmark whose winner is used, and one click gives it back; then it offers nothing."""
    used = {"backend": "ollama", "model": "m", "settings": "1 thread", "benchmark": "b1", "taken": 1}
    sentence = "m is loaded with 1 thread, as benchmark b1 showed to be <b>faster</b>."
    ai.backends = [
        OLLAMA | {"backend": "ollama", "usable": True, "model": "m", "in_use": used | {"sentence": sentence}}
    ]
    app = _open()
    assert sentence in _text(app)
    app.button(key="engine_0_take").click().run()
    assert not app.exception
    assert ai.asked[-1] == ("reset", "ollama")
    assert "m is loaded as ever." in _text(app)
    assert "engine_0_take" not in {button.key for button in app.button}


def test_tune_says_what_it_found_on_the_card_of_the_embedded_engine(ai: AiDouble) -> None:
    """One click asks for the search; what it says stands on the card, a stranger's markup as text; other engines have no such button."""
    used = {"model": "m", "settings": "", "benchmark": None, "taken": None, "sentence": "m is loaded as ever."}
    card = OLLAMA | {"backend": "ollama", "usable": True, "model": "m"}
    ai.backends = [card | {"in_use": used | {"backend": "ollama"}}]
    assert "Tune" not in {button.label for button in _open().button}
    ai.backends = [card | {"in_use": used | {"backend": "llamacpp"}}]
    app = _open()
    app.button(key="engine_0_tune").click().run()
    assert not app.exception
    assert ai.asked[-1] == ("tune", "llamacpp")
    assert [str(one.value).replace("\\", "").replace("\u2060", "") for one in app.success] == [
        "With 2 threads from now on: <b>1.2×</b>."
    ]


def test_what_a_figure_is_worth_stands_below_the_table(ai: AiDouble) -> None:
    """A figure with a note has a mark, and the note is said once; what could not be compared is named beside the verdict."""
    ai.reports = [report()]
    metrics = ai.reports[0]["contenders"][0]["metrics"]
    for key in ("first_token", "total"):
        metrics[key] = {"value": 0.2, "unit": "s", "origin": "measured", "note": "its <b>cache</b> had some of it"}
    ai.reports[0]["comparisons"][0] |= {"comparable": True, "because": [], "unknown": ["chat <i>template</i>"]}
    text = _text(_open())
    assert text.count("† ollama: its <b>cache</b> had some of it.") == 1
    assert "200 ms †" in text
    assert "0.20 s †" in text
    assert "Not known to be equal: chat <i>template</i>." in text


def test_too_few_clean_pairs_are_no_verdict(ai: AiDouble) -> None:
    """Without an interval the page says that nothing was answered, and in the report's words why and what to do."""
    ai.reports = [report() | {"sentence": "fast and slow could not be compared: wait until it is <b>quiet</b>."}]
    ai.reports[0]["comparisons"][0] |= {"low": 0.0, "high": None, "kind": "not shown", "blocks": 2, "log_ratios": []}
    text = _text(_open())
    assert "No result: too few usable pairs." in text
    assert "could not be compared: wait until it is <b>quiet</b>." in text


def test_a_verdict_calls_engines_as_their_cards_do(ai: AiDouble) -> None:
    """The heading has the whole comparison with its interval, also where a name has brackets; what follows it is no heading."""
    ai.backends = [OLLAMA | {"backend": "llamacpp", "label": "llama.cpp (embedded)", "usable": True, "model": "m"}]
    said = "llamacpp is 1.40× as fast as ollama here (95 % between 1.20 and 1.60)."
    ai.reports = [report() | {"sentence": f"{said} Settled (early)."}]
    heading = f"### :green[{said.replace('llamacpp', 'llama.cpp (embedded)')}] Settled (early)."
    assert heading in _text(_open())


def test_policy_and_calls_are_shown(ai: AiDouble) -> None:
    """Why this engine, what is excluded, what drifts, which circuit is open, and what became of the last calls."""
    app = _open()
    text = _text(app)
    for words in (
        "ollama is used because",
        "far is excluded: it is remote",
        "open",
        "it timed out",
        "too late",
        "0 answered, 1 unanswered",
    ):
        assert words in text, words
    assert "measure again" in app.warning[0].value.replace("\\", "")
    assert "<i>" not in "\n".join(str(e.value) for e in app.markdown)


def test_the_history_compares_and_repeats(ai: AiDouble) -> None:
    """Two benchmarks side by side with what changed; the address opens an old one; repeating asks for the same."""
    ai.reports = [report("b1"), report("b0")]
    app = _open(benchmark="b0")
    text = _text(app)
    assert "1 of 3 figures changed." in text
    assert "slower than before" in text
    app.button(key="benchmark_repeat").click().run()
    assert ("replay", "b0") in ai.asked


def test_an_interrupted_benchmark_stands_in_the_history_and_opens(ai: AiDouble) -> None:
    """Its row says so, and its page why. One without a measurement does not take the place of what was measured before."""
    sentence, nothing = "Interrupted after 3 blocks: the agent ended.", "Interrupted before the first block."
    early = report("b2") | {"state": "interrupted", "sentence": nothing, "blocks": 0}
    ai.reports = [early, report("b1") | {"state": "interrupted", "sentence": sentence}, report("b0")]
    text = _text(_open())
    assert "interrupted" in text
    assert (text.count(sentence), text.count(nothing)) == (2, 1)
    assert sentence in _text(_open(benchmark="b1"))
    assert _text(_open(benchmark="b2")).count(nothing) == 2


def test_an_unknown_benchmark_is_an_error_state(ai: AiDouble) -> None:
    """An old link does not break the page."""
    app = _open(benchmark="gone")
    assert "There is no such benchmark" in app.error[0].value.replace("\\", "")
    assert "Try it" in _text(app)


def test_a_posting_is_analysed_with_its_evidence(ai: AiDouble) -> None:
    """The rules' answer at once, while an engine is asked; then its answer, or none where it is stopped. Nothing of the posting is markup."""
    app = _open()
    app.text_area(key="posting").set_value("Work at Acme <img src=x> for money").run()
    app.button(key="analyse").click().run()
    assert not app.exception
    assert ai.asked[-1] == ("analyze", "Work at Acme <img src=x> for money")
    text = _text(app)
    for words in (
        "Answered by rules",
        "answered at once. ollama is being asked",
        "70,000 to 85,000 EUR a year",
        ":blue-background[Acme]",
        "not stated",
    ):
        assert words in text, words
    assert "\\<img src=x\\>" in "\n".join(str(e.value) for e in app.markdown)
    ai.analysis = "done"
    app.run()
    assert not app.exception
    assert "Answered by ollama" in _text(app)
    assert "Baker" in _text(app)
    ai.analysis = "asking"
    app.button(key="analyse").click().run()
    app.button(key="analysis_stop").click().run()
    assert ai.asked[-1] == ("cancel analysis", "an1")
    assert "was not asked any further" in _text(app)


def test_the_picture_of_the_pairs_escapes_names() -> None:
    """An engine's name is text in the picture, and the picture says in words what it shows."""
    now = Benchmark.model_validate(RUNNING | {"ratios": {"<b>": [1.0, 2.0]}, "intervals": {"<b>": [0.5, None]}})
    drawn = ratio_picture(now)
    assert "<b>" not in drawn
    assert "&lt;b&gt;: 2 pairs, newest 2.00" in drawn
    assert 'role="img"' in drawn


def test_the_options_of_a_benchmark_are_a_link(ai: AiDouble) -> None:
    """What the address says is chosen and asked for, whatever plan it belongs to; what is chosen is in the address, without what is usual."""
    app = _open(plan="lengths", depth="quick", read="64, 128", deep="32")
    assert (app.radio(key="benchmark_plan").value, app.radio(key="benchmark_depth").value) == ("lengths", "quick")
    app.button(key="benchmark").click().run()
    asked = ai.asked[0][1]
    assert (asked["plan"], asked["depth"]) == ("lengths", "quick")
    assert [(one["prompt"], one["depth"]) for one in asked["lengths"]] == [(64, 32), (128, 32)]
    app = _open(plan="nonsense", kind="self-check", measure="total")
    assert [app.radio(key=f"benchmark_{name}").value for name in ("plan", "kind", "measure")] == [
        "speed",
        "self-check",
        "total",
    ]
    app.radio(key="benchmark_depth").set_value("full").run()
    app.radio(key="benchmark_kind").set_value("auto").run()
    assert {name: app.query_params.get(name) for name in ("depth", "kind", "measure")} == {
        "depth": "full",
        "kind": None,
        "measure": "total",
    }
    app.radio(key="benchmark_plan").set_value("load").run()
    assert not app.exception
    assert {name: app.query_params.get(name) for name in ("plan", "depth", "measure")} == {
        "plan": "load",
        "depth": "full",
        "measure": None,
    }


def test_a_load_is_asked_for_and_shown(ai: AiDouble) -> None:
    """The options of the plan go to the agent; wrong ones say what is wrong and start nothing. The result has tables, charts and the target."""
    app = _open()
    app.radio(key="benchmark_plan").set_value("load").run()
    app.text_input(key="concurrency").set_value("1, 8, 64").run()
    app.text_input(key="rates").set_value("1, fast").run()
    assert "valid number" in app.error[0].value
    assert app.button(key="benchmark").disabled
    app.text_input(key="rates").set_value("1, 4").run()
    app.button(key="benchmark").click().run()
    asked = ai.asked[0][1]
    assert (asked["plan"], asked["batches"], asked["rates"]) == ("load", [1, 8, 64], [1.0, 4.0])
    ai.state = {"state": "idle"}
    ai.reports = [load_report()]
    app = _open(benchmark="b9")
    text = _text(app)
    for words in (
        "Result",
        "holds 1 requests/s",
        "Throughput",
        "Latency under load",
        "Goodput",
        "Load",
        "Lengths of prompts",
        "within 0.5 s",
    ):
        assert words in text
    table = next(frame.value for frame in app.dataframe if "Good/s" in frame.value)
    assert "Did not keep up." in " ".join(table["Note"])
    assert "Speed against" not in text
