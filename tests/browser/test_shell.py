"""The frame around all pages: signing in and out, menu, theme, language, what breaks."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenContext, Site, Watch

pytestmark = pytest.mark.browser


def test_the_password_signs_in_and_signing_out_asks_for_it_again(
    contexts: OpenContext, site: Site
) -> None:
    page = contexts().new_page()
    page.goto(site.url)
    page.get_by_label("Admin password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin password")).to_be_visible()


def test_a_wrong_password_says_so(contexts: OpenContext, site: Site, watch: Watch) -> None:
    watch.expected += [r"401"]
    page = contexts().new_page()
    page.goto(site.url)
    page.get_by_label("Admin password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("password")


def test_the_printed_link_signs_in_once_and_leaves_the_address(
    contexts: OpenContext, fresh_site: Site, watch: Watch
) -> None:
    link = re.search(r"#link=\S+", fresh_site.gateway.stdout())
    assert link
    page = contexts().new_page()
    page.goto(fresh_site.url + link[0])
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page).to_have_url(re.compile(r"#/welcome$"))
    watch.expected += [r"401"]
    again = contexts().new_page()
    again.goto(fresh_site.url + link[0])
    expect(again.get_by_role("alert")).to_contain_text("sign-in link did not work")


def test_a_page_that_does_not_exist_says_so(page: Page, site: Site) -> None:
    page.goto(f"{site.url}#/nowhere")
    expect(page.get_by_role("main")).to_contain_text("no page of this name")


def test_on_a_phone_the_menu_opens_and_closes_when_a_page_is_chosen(
    contexts: OpenContext, signed_in: object, site: Site
) -> None:
    page = contexts(storage_state=signed_in, viewport=PHONE).new_page()
    page.goto(site.url)
    menu = page.get_by_role("navigation", name="Pages")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Endpoint").click()
    expect(menu).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("Endpoint")


def test_the_chosen_theme_and_language_stay(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_label("Light or dark").select_option("dark")
    page.get_by_label("Language").select_option("en-x-rtl")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.get_by_label("Light or dark")).to_have_value("dark")


def test_a_page_that_breaks_leaves_the_others_alone(page: Page, site: Site, watch: Watch) -> None:
    watch.expected += [r"it is broken"]
    broken = "export default () => { throw new Error('it is broken'); };"
    page.route(
        "**/pages/endpoint.js",
        lambda route: route.fulfill(body=broken, content_type="text/javascript"),
    )
    page.goto(f"{site.url}#/endpoint")
    expect(page.get_by_role("alert")).to_contain_text("it is broken")
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_session_that_ended_elsewhere_asks_for_the_password(
    contexts: OpenContext, site: Site, watch: Watch
) -> None:
    watch.expected += [r"401"]
    context = contexts()
    api = site.url.replace("/dashboard/", "/api")
    mine = context.request.post(f"{api}/auth/login", data={"password": site.password}).json()
    page = context.new_page()
    page.goto(f"{site.url}#/endpoint")
    expect(page.get_by_role("heading", level=1)).to_have_text("Endpoint")
    ended = context.request.post(
        f"{api}/auth/logout", headers={"x-csrf-token": mine["csrf_token"]}, data={}
    )
    assert ended.ok
    page.evaluate("location.hash = '#/overview'")
    expect(page.get_by_label("Admin password")).to_be_visible()


def test_the_dashboard_works_on_its_own_port_and_names_the_gateways(
    contexts: OpenContext, site: Site
) -> None:
    page = contexts().new_page()
    page.goto(f"{site.gateway.dashboard}/dashboard/")
    page.get_by_label("Admin password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Endpoint").click()
    expect(page.get_by_role("main")).to_contain_text(f"{site.gateway.endpoint}/v1")
