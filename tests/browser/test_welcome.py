"""The first steps: from a fresh start to the first streamed answer, left and resumed on the way."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext, Site

pytestmark = pytest.mark.browser

PASSWORD = "seven blue otters paint"


def sign_in_by_link(contexts: OpenContext, site: Site) -> Page:
    link = re.search(r"#link=\S+", site.gateway.stdout())
    assert link
    page = contexts().new_page()
    page.goto(site.url + link[0])
    expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    return page


def test_from_a_fresh_start_to_the_first_streamed_answer(
    contexts: OpenContext, fresh_site: Site
) -> None:
    page = sign_in_by_link(contexts, fresh_site)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password once more").fill("something else")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("alert")).to_contain_text("do not agree")
    page.get_by_label("New password once more").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()

    expect(page.get_by_role("heading", name="Add a first provider")).to_be_visible()
    page.get_by_role("tab", name="Your own server").click()
    page.get_by_label("Address").fill("http://127.0.0.1:9/v1")  # nobody listens there
    page.get_by_role("button", name="Test and add").click()
    expect(page.get_by_role("alert")).to_contain_text("Check the host name and the network")
    page.get_by_label("Address").fill(f"{fresh_site.simulator}/v1")
    page.get_by_label("Short name").fill("tryout")
    page.get_by_label("API key of the provider").fill("upstream-key")
    page.get_by_role("button", name="Test and add").click()

    # Left here, and resumed later in another tab.
    expect(page.get_by_role("heading", name="Make a key for your tools")).to_be_visible()
    page = page.context.new_page()
    page.goto(f"{fresh_site.url}#/welcome")
    expect(page.get_by_role("heading", name="Make a key for your tools")).to_be_visible()
    page.get_by_label("Name of the new key").fill("laptop")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("code", has_text="sk-omni-").inner_text()
    page.get_by_role("link", name=re.compile("(Next|Skip this) step")).click()

    expect(page.get_by_role("heading", name="Connect a tool")).to_be_visible()
    page.get_by_label("Model").fill("tryout/plain")
    expect(page.get_by_label("curl")).to_contain_text(key)
    page.get_by_role("button", name="Send a test request").click()
    answer = page.get_by_label("Answer")
    expect(answer).to_contain_text("built-in simulator")
    expect(page.get_by_text("tryout answered with")).to_be_visible()

    # The key that was made is a real one.
    with fresh_site.gateway.client() as client:
        listed = client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
    assert listed.status_code == 200

    page.get_by_role("link", name="Go to the overview").click()
    expect(page.get_by_text("All well")).to_be_visible()


def test_the_chosen_password_signs_in_from_then_on(contexts: OpenContext, fresh_site: Site) -> None:
    page = sign_in_by_link(contexts, fresh_site)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password once more").fill(PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", name="Add a first provider")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Admin password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def test_the_simulator_is_a_way_to_try_at_once(contexts: OpenContext, fresh_site: Site) -> None:
    page = sign_in_by_link(contexts, fresh_site)
    steps = page.get_by_role("list", name="Steps")
    steps.get_by_role("link", name="Provider").click()
    page.get_by_role("tab", name="Just try it").click()
    page.get_by_role("button", name="Try with the simulator").click()
    expect(page.get_by_role("heading", name="Make a key for your tools")).to_be_visible()
    steps.get_by_role("link", name="Tool").click()
    expect(page.get_by_label("Model")).to_have_value("simulator/plain")
    page.get_by_role("button", name="Send a test request").click()
    expect(page.get_by_label("Answer")).to_contain_text("built-in simulator")
    expect(page.get_by_text("simulator answered with")).to_be_visible()
