"""What changes while somebody looks: it appears by itself, without a click or a reload."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def outage(site: Site) -> Iterator[None]:
    """The provider `flaky` answers nothing but 503 until the test ends."""
    script = f"{site.simulator}/_simulator/mounts/flaky"
    httpx.put(script, json={"scenario": "error-503"}, trust_env=False).raise_for_status()
    yield
    httpx.put(script, json={}, trust_env=False).raise_for_status()


def fail_at_flaky(site: Site, times: int) -> None:
    with site.gateway.client() as client:
        for _ in range(times):
            assert site.gateway.chat(client, "flaky/plain").status_code >= 500


@pytest.mark.usefixtures("outage")
def test_an_outage_of_a_provider_appears_by_itself(page: Page, site: Site) -> None:
    health = page.context.new_page()
    health.goto(f"{site.url}#/health")
    expect(health.get_by_role("heading", level=1)).to_be_visible()
    page.goto(f"{site.url}#/overview")
    attention = page.locator("section", has=page.get_by_role("heading", name="Needs attention"))
    expect(attention).to_be_visible()
    expect(attention).not_to_contain_text("flaky")

    fail_at_flaky(site, times=6)

    expect(attention).to_contain_text("flaky", timeout=15_000)
    health.bring_to_front()
    expect(health.get_by_role("main")).to_contain_text("503", timeout=15_000)


def test_what_rests_is_reset_after_a_question_and_asked_again(
    page: Page, site: Site, outage: None
) -> None:
    page.goto(f"{site.url}#/health")
    fail_at_flaky(site, times=6)
    page.get_by_role("button", name="Reset all").click()
    page.get_by_role("dialog").get_by_role("button", name="Reset", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text(
        "Every provider, account and model may be asked."
    )


def test_a_request_appears_when_it_finishes(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/overview")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    latest = page.get_by_role("region", name="Latest requests")
    before = latest.get_by_role("row").count()
    with site.gateway.client() as client:
        site.gateway.chat(client, "acme/long-200")
    expect(latest.get_by_role("cell", name="acme/long-200").first).to_be_visible()
    assert before >= 1
    expect(page.get_by_text("1 in the last minute")).to_be_visible()
