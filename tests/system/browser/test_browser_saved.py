"""Saved searches in Chromium."""

import re

import pytest
from playwright.sync_api import expect

from tests.system.browser.conftest import Watch, Window

pytestmark = pytest.mark.browser


def test_a_search_is_saved_under_a_name_found_again_renamed_and_deleted(window: Window, watch: Watch) -> None:
    """The whole view has a name, in the list and among the suggestions; another visit finds it, and it can get another name and go."""
    logs = window.open(f"/logs?source={watch.source}")
    logs.get_by_role("searchbox", name="Search").fill("level>=warn worker")
    expect(logs).to_have_url(re.compile("query=level"))
    logs.get_by_role("button", name="Saved").click()
    logs.get_by_role("textbox", name="Name for this search").fill("bad workers")
    logs.get_by_role("button", name="Save", exact=True).click()
    expect(logs.get_by_role("button", name="bad workers")).to_be_visible()
    expect(logs.get_by_role("textbox", name="Name for this search")).to_have_count(0)
    page = window.open("/logs")
    box = page.get_by_role("searchbox", name="Search")
    box.click()
    page.get_by_role("option", name="bad workers").click()
    expect(page).to_have_url(re.compile(r"query=level.*source="))
    expect(box).to_have_value("level>=warn worker")
    page.get_by_role("button", name="Saved").click()
    page.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_role("textbox", name="New name").fill("worse workers")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("button", name="worse workers")).to_be_visible()
    page = window.open("/logs")
    page.get_by_role("button", name="Saved").click()
    page.get_by_role("button", name="worse workers").click()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("level>=warn worker")
    expect(page).to_have_url(re.compile(r"source="))
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("button", name="worse workers")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Name for this search")).to_be_visible()
