"""The main actions of each page, done by hand and seen where they act."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser


def test_a_key_is_made_shown_once_used_and_revoked(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/keys")
    page.get_by_role("button", name="New key").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name", exact=True).fill("visitor")
    form.get_by_role("button", name="Create").click()
    key = page.locator("dialog code", has_text="sk-omni-").inner_text()
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_text(key)).to_have_count(0)

    with site.gateway.client() as client:
        client.headers["authorization"] = f"Bearer {key}"
        assert site.gateway.chat(client).status_code == 200
        page.get_by_role("button", name="Revoke: visitor").click()
        sure = page.get_by_role("dialog")
        revoke = sure.get_by_role("button", name="Revoke for ever")
        expect(revoke).to_be_disabled()
        sure.get_by_label("Type visitor to confirm.").fill("visitor")
        revoke.click()
        expect(page.get_by_role("cell", name="visitor", exact=True)).to_have_count(0)
        assert site.gateway.chat(client).status_code == 401


def test_all_accounts_are_tested_at_once(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/providers")
    page.get_by_role("button", name="Test all", exact=True).first.click()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"[34] .*work", re.IGNORECASE))


def test_a_combo_is_made_tried_ordered_and_deleted(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/combos")
    for name in ("night", "day"):
        page.get_by_role("button", name="Make a combo").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Name", exact=True).fill(name)
        for model in ("acme/plain", "spare/plain"):
            form.get_by_label("Add", exact=True).fill(model)
            form.get_by_label("Add", exact=True).press("Enter")
        form.get_by_role("button", name="Save").click()
        expect(page.get_by_role("article", name=name)).to_contain_text("The first member answers")

    page.get_by_role("button", name="Test night").click()
    expect(page.get_by_role("dialog")).to_contain_text("3 work")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_role("button", name="What would happen now to a request for night?").click()
    expect(page.get_by_role("dialog")).to_contain_text("plain would answer, at acme/main")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()

    cards = page.get_by_role("article")
    expect(cards).to_have_count(3)
    page.get_by_role("button", name="Move day up").click()
    expect(cards.nth(1)).to_have_accessible_name("day")
    page.reload()
    expect(cards.nth(1)).to_have_accessible_name("day")

    for name in ("day", "night"):
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_label(f"Type {name} to confirm.").fill(name)
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("article", name=name)).to_have_count(0)


def test_filters_of_the_log_stand_in_the_address_and_a_request_opens(
    page: Page, site: Site
) -> None:
    page.goto(f"{site.url}#/logs?outcome=failed")
    rows = page.get_by_role("row", name="acme/no-such-model")
    expect(rows.first).to_be_visible()
    expect(page.get_by_role("row", name="acme/reasoning")).to_have_count(0)
    rows.first.click()
    waterfall = page.get_by_role("dialog").get_by_role("list", name="How the time went")
    expect(waterfall).to_contain_text("acme/main")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_label("Outcome").select_option("ok")
    expect(page).to_have_url(re.compile("outcome=ok"))
    expect(page.get_by_role("row", name="acme/reasoning").first).to_be_visible()


def test_a_pasted_body_is_translated_and_its_losses_are_named(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/translator")
    body = {
        "model": "m",
        "seed": 7,
        "messages": [{"role": "system", "content": "short"}, {"role": "user", "content": "hi"}],
    }
    page.get_by_label("Body of a request").fill(json.dumps(body))
    page.get_by_role("button", name="Translate").click()
    main = page.get_by_role("main")
    expect(main).to_contain_text("OpenAI chat")
    page.get_by_role("tab", name=re.compile("Anthropic")).click()
    expect(main).to_contain_text("max_tokens")
    expect(main).to_contain_text("Lost:")
    expect(main).to_contain_text("seed")


def test_a_setting_that_is_stored_says_so_and_acts_at_once(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/settings?tab=general")
    shown = page.locator(".setting", has=page.get_by_label("Keepalive in streams"))
    expect(shown).to_contain_text("default: 15 s")
    shown.get_by_label("Keepalive in streams").fill("20")
    shown.get_by_label("Keepalive in streams").press("Enter")
    expect(shown).to_contain_text("set here")
    page.reload()
    expect(shown.get_by_label("Keepalive in streams")).to_have_value("20")


def test_an_account_is_tried_added_changed_switched_off_and_deleted(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/providers")
    page.get_by_role("button", name="Add an account to spare").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name", exact=True).fill("visitor")
    form.get_by_label("API key", exact=True).fill("upstream-key")
    form.get_by_role("button", name="Test first").click()
    expect(form).to_contain_text("Works")
    form.get_by_role("button", name="Save").click()

    page.get_by_role("button", name="Edit spare/visitor").click()
    form.get_by_role("button", name="More: address").click()
    form.get_by_label("Requests a minute", exact=True).fill("7")
    form.get_by_role("button", name="Save").click()
    account = page.locator(".account", has_text="visitor")
    expect(account).to_contain_text("of 7")

    account.get_by_role("switch", name="Use spare/visitor").click()
    expect(account).to_contain_text("Off")
    account.get_by_role("button", name="Delete spare/visitor").click()
    page.get_by_label("Type visitor to confirm.").fill("visitor")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(account).to_have_count(0)


def test_a_budget_is_set_raised_and_deleted(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/limits")
    page.get_by_role("button", name="Add a budget").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Of a", exact=True).select_option("provider")
    form.get_by_label("Provider", exact=True).select_option("flaky")
    form.get_by_label("Limit, in USD").fill("5")
    form.get_by_role("button", name="Save").click()
    budget = page.get_by_role("region", name="Budgets").get_by_role("row", name="flaky")
    expect(budget).to_contain_text("$5.00")
    budget.get_by_role("button", name="Edit the budget of").click()
    form.get_by_label("Limit, in USD").fill("6")
    form.get_by_role("button", name="Save").click()
    expect(budget).to_contain_text("$6.00")
    budget.get_by_role("button", name="Delete the budget of").click()
    page.get_by_label("Type flaky to confirm.").fill("flaky")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(budget).to_have_count(0)


def test_a_price_of_ones_own_comes_before_the_built_in_ones(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/analytics")
    own = page.get_by_role("region", name="Prices of your own")
    page.get_by_role("button", name="Add to Prices of your own").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Model", exact=True).fill("spare/plain")
    form.get_by_label("Input", exact=True).fill("3.25")
    form.get_by_label("Output", exact=True).fill("15")
    form.get_by_role("button", name="Save").click()
    in_force = page.get_by_role("region", name="Prices in force")
    expect(in_force.get_by_role("row", name="spare/plain")).to_contain_text("3.25")
    own.get_by_role("row", name="spare/plain").get_by_role("button", name="Delete").click()
    expect(in_force.get_by_role("row", name="spare/plain")).not_to_contain_text("3.25")
    page.get_by_role("button", name="Undo").click()
    expect(in_force.get_by_role("row", name="spare/plain")).to_contain_text("3.25")
    own.get_by_role("row", name="spare/plain").get_by_role("button", name="Delete").click()
    expect(own.get_by_role("row", name="spare/plain")).to_have_count(0)


def test_a_provider_of_ones_own_is_added_and_its_list_of_models_taken_over(
    page: Page, site: Site
) -> None:
    page.goto(f"{site.url}#/providers")
    page.get_by_role("button", name="Add a provider of your own").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Id", exact=True).fill("house")
    form.get_by_label("Base URL").fill(f"{site.simulator}/v1")
    form.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Add an account to house").click()
    form.get_by_label("API key", exact=True).fill("upstream-key")
    form.get_by_role("button", name="Save").click()

    expect(page.get_by_role("button", name="Test house/main")).to_be_visible()
    page.get_by_role("button", name="Models of house").click()
    form.get_by_role("button", name="Ask main for its list").click()
    form.get_by_role("button", name=re.compile(r"Add \d+ models")).click()
    expect(form.get_by_role("row", name="reasoning").first).to_be_visible()
    form.get_by_role("button", name="Close").click()
    with site.gateway.client() as client:
        assert site.gateway.chat(client, "house/reasoning").status_code == 200

    page.get_by_role("button", name="Delete house/main").click()
    page.get_by_label("Type main to confirm.").fill("main")
    form.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Delete house/main")).to_have_count(0)
    page.get_by_role("button", name="Delete house", exact=True).click()
    page.get_by_label("Type house to confirm.").fill("house")
    form.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Models of house")).to_have_count(0)
