"""Rows of choices whose values live in the address."""

from typing import Any

from streamlit.testing.v1 import AppTest

from tests.waiting import patient


def page() -> None:
    """Two rows of choices, as a page of patterns has them."""
    from pages.ui.choice import choice, chosen_of  # the text of this function is the page

    views = {"patterns": "Patterns", "changes": "What changed"}
    ranges = {"live": "Live", "24h": "24 h", "custom": "Custom"}
    choice("View", "view", views, chosen_of("view", views), key="view")
    choice("Range", "range", ranges, chosen_of("range", ranges), key="range", clears=("from",), shown_only="custom")


def opened(**address: str) -> AppTest:
    """The page, at an address."""
    app = AppTest.from_function(page, default_timeout=patient(20))
    app.query_params.update(address)
    return app.run()


def click(app: AppTest, key: str, value: str) -> dict[str, Any]:
    """The address after a click."""
    app.segmented_control(key=key).set_value(value).run()
    assert not app.exception
    return {name: value if isinstance(value, str) else value[0] for name, value in dict(app.query_params).items()}


def test_the_second_of_two_quick_clicks_keeps_what_the_first_one_chose() -> None:
    """It comes with the address from before the first one, which the browser has not heard of yet."""
    app = opened()
    assert click(app, "view", "changes") == {"view": "changes"}
    del app.query_params["view"]
    assert click(app, "range", "24h") == {"view": "changes", "range": "24h"}
    assert click(app, "view", "patterns") == {"range": "24h"}
    app.query_params["view"] = "changes"
    assert click(app, "range", "live") == {}


def test_an_address_of_a_link_or_of_the_way_back_wins() -> None:
    """What was clicked before is not clicked again."""
    app = opened()
    click(app, "view", "changes")
    del app.query_params["view"]
    app.run()
    assert app.segmented_control(key="view").value == "patterns"
    assert click(app, "range", "24h") == {"range": "24h"}


def test_a_value_that_the_page_gave_writes_nothing() -> None:
    """A chart wrote it, and what belongs to it."""
    app = opened()
    app.query_params.update({"range": "custom", "from": "2026-03-01T10:00:00Z"})
    assert click(app, "range", "custom") == {"range": "custom", "from": "2026-03-01T10:00:00Z"}
