"""Ten thousand requests in the log: all can be reached, and only those in sight are drawn."""

import itertools

import pytest
from playwright.sync_api import expect

from bench.history import records
from omniroute.store.database import Store
from tests.browser.conftest import OpenContext, Site

pytestmark = pytest.mark.browser

ROWS = 10_020  # the generator rounds each hour's share
DRAWN = 120  # what is in sight on a tall screen, and a margin above and below

# How long each frame took while the list is scrolled to its end, step by step, in milliseconds.
_SCROLL = """async (list) => {
  const frames = [];
  let before = performance.now();
  for (let step = 1; step <= 60; step += 1) {
    list.scrollTop = (list.scrollHeight * step) / 60;
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - before);
    before = performance.now();
  }
  return frames.sort((one, other) => one - other)[Math.floor(frames.length / 2)];
}"""


def test_ten_thousand_requests_scroll_and_only_those_in_sight_are_drawn(
    contexts: OpenContext, fresh_site: Site
) -> None:
    store = Store.open(fresh_site.gateway.data_dir / "omniroute.sqlite")
    rows = 0
    try:
        made = records(ROWS, days=3)
        while batch := list(itertools.islice(made, 500)):
            store.insert_records(batch)
            rows += len(batch)
    finally:
        store.close()
    assert rows >= 10_000
    context = contexts()
    login = fresh_site.url.replace("/dashboard/", "/api/auth/login")
    assert context.request.post(login, data={"password": fresh_site.password}).ok
    page = context.new_page()
    page.goto(f"{fresh_site.url}#/logs?span=")
    table = page.get_by_role("table", name="Requests")
    expect(table.get_by_role("row").nth(5)).to_be_visible()
    while int(table.get_attribute("aria-rowcount") or 0) <= rows:
        known = table.get_attribute("aria-rowcount") or ""
        table.evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
        expect(table).not_to_have_attribute("aria-rowcount", known)
        assert table.get_by_role("row").count() <= DRAWN
    table.evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    expect(table.locator(f'[aria-rowindex="{rows + 1}"]')).to_be_visible()
    # Generous: a screen shows 16 ms, and this machine may do other things. Ten thousand rows that
    # were all drawn would take a second.
    assert table.evaluate(_SCROLL) < 250
