"""Every page of the menu, whatever it shows: it opens in every layout without a report, is usable
by keyboard and screen reader, fits a phone, and leaves a screenshot for people to look at.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import ARTIFACTS, DESKTOP, PHONE, OpenContext, Site
from tests.processes.harness import ROOT

pytestmark = pytest.mark.browser

_AXE = ROOT / ".cache" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The menu is hidden on a phone; what it does works all the same.
_CHOOSE = """(select, code) => {
  select.value = code;
  select.dispatchEvent(new Event("change", {bubbles: true}));
}"""
_PAGES = re.compile(r"^  (\w+): \(\) => import\(\"\./pages/", re.MULTILINE)


class Layout(NamedTuple):
    viewport: ViewportSize
    scheme: Literal["dark", "light"]
    language: str = "en"


LAYOUTS = {
    "desktop-light": Layout(DESKTOP, "light"),
    "desktop-dark": Layout(DESKTOP, "dark"),
    "phone-light": Layout(PHONE, "light"),
    "phone-dark": Layout(PHONE, "dark"),
    "desktop-rtl": Layout(DESKTOP, "light", "en-x-rtl"),
    "phone-rtl": Layout(PHONE, "dark", "en-x-rtl"),
}


def page_names() -> list[str]:
    return _PAGES.findall((ROOT / "dashboard_static" / "app.js").read_text(encoding="utf-8"))


def open_page(page: Page, site: Site, name: str) -> None:
    """Until its heading is there and nothing is still loading."""
    page.goto(f"{site.url}#/{name}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("main .skeleton")).to_have_count(0)


def told(violation: dict[str, Any]) -> Iterator[str]:
    for node in violation["nodes"]:
        yield f"{violation['id']}: {node['failureSummary']} in {node['html'][:200]}"


def assert_accessible(page: Page, title: str) -> None:
    """No violation that axe-core finds. The script is given to the page, not loaded by it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run(document, {{runOnly: {json.dumps(_RULES)}}})")
    lines = [line for violation in found["violations"] for line in told(violation)]
    assert not lines, "\n".join([title, *lines])


def take_layout(page: Page, layout: Layout) -> None:
    """A window is made smaller, a system turned dark, a language chosen: all without a reload."""
    page.set_viewport_size(layout.viewport)
    page.emulate_media(color_scheme=layout.scheme, reduced_motion="reduce")
    page.get_by_label("Language").evaluate(_CHOOSE, layout.language)
    expect(page.locator("html")).to_have_attribute("lang", layout.language)


@pytest.mark.parametrize("name", page_names())
def test_page_holds_in_every_layout(page: Page, site: Site, name: str) -> None:
    open_page(page, site, name)
    for title, layout in LAYOUTS.items():
        take_layout(page, layout)
        assert_accessible(page, title)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, f"the page scrolls sideways: {title}"
        folder = ARTIFACTS / title
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        if title == "desktop-light":  # docs/dashboard.md shows these
            page.screenshot(path=ARTIFACTS / "docs" / f"{name}.jpg", type="jpeg", quality=70)


def test_the_sign_in_page_is_accessible(contexts: OpenContext, site: Site) -> None:
    for viewport, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = contexts(viewport=viewport, color_scheme=scheme).new_page()
        page.goto(site.url)
        expect(page.get_by_label("Admin password")).to_be_visible()
        assert_accessible(page, scheme)


def test_every_page_is_reached_by_keyboard_alone(page: Page, site: Site) -> None:
    open_page(page, site, "overview")
    menu = page.get_by_role("navigation", name="Pages")
    for name in page_names():
        if name == "welcome":  # leads in, and is led to; it has no place in the menu
            continue
        link = menu.locator(f'a[href="#/{name}"]').last
        link.focus()
        page.keyboard.press("Enter")
        expect(link).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_the_keyboard_skips_the_menu(page: Page, site: Site) -> None:
    open_page(page, site, "overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_a_chart_follows_a_system_that_turns_dark(page: Page, site: Site) -> None:
    page.emulate_media(color_scheme="light")
    open_page(page, site, "analytics")
    picture = page.locator(".chart canvas").first
    expect(picture).to_be_visible()
    # The colour of the grid, of which a canvas tells nothing else: its picture is another one.
    light = picture.evaluate("(canvas) => canvas.toDataURL()")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "(light) => document.querySelector('.chart canvas')?.toDataURL() !== light", arg=light
    )
