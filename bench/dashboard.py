"""The dashboard in a browser, measured: first paint, delay of the live feed, memory over time.

`python -m bench.dashboard [--minutes N]` starts a demo (gateway and simulator), opens the overview
in Chromium and prints each figure beside its limit; the exit status is 1 when one is broken.

- First paint: from the navigation to the first content, files from an empty browser cache, median
  of several loads.
- Delay: from the end of an answer at the client until the request stands on the page; the longest.
- Memory: the JavaScript heap after a collection. It is first taken when the page holds as much as
  it ever keeps, so that what comes after may not grow.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

FIRST_PAINT_MS: Final = 300.0
DELAY_MS: Final = 2_000.0
GROWTH_BYTES: Final = 1_500_000  # of some six million: noise of the engine, no trend

_LOADS: Final = 7
_DELAYS: Final = 5
_KEPT: Final = 500  # requests that a page keeps
_PER_SECOND: Final = 10
_READY_S: Final = 60.0
_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_PAINT: Final = """() => new Promise((resolve) => new PerformanceObserver((list) =>
  resolve(list.getEntries()[0].startTime)).observe({type: "paint", buffered: true}))"""


class Demo(NamedTuple):
    """A running demo."""

    url: str
    key: str
    password: str


class Figure(NamedTuple):
    """One measured value and the most that it may be."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        verdict = "" if self.holds else "  BROKEN"
        return f"{self.name:<28}{self.value:>10.1f} {self.unit:<4}at most {self.limit:.0f}{verdict}"


@contextmanager
def demo() -> Iterator[Demo]:
    """`omniroute demo` on free ports, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "omniroute", "demo", "--no-open", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMNIROUTE_SERVER_DASHBOARD_PORT": "0"},
    )
    try:
        yield _told(process)
    finally:
        process.terminate()
        process.wait()


def _told(process: "subprocess.Popen[str]") -> Demo:
    assert process.stdout is not None
    text = ""
    deadline_s = time.monotonic() + _READY_S
    for line in process.stdout:
        text += line
        if line.startswith("Ctrl-C stops") or time.monotonic() > deadline_s:
            break
    url = re.search(r"^READY (\S+)", text, re.MULTILINE)
    key = re.search(r"API key\s+(\S+)", text)
    password = re.search(r"admin password\s+(\S+)", text)
    if url is None or key is None or password is None:
        raise SystemExit(f"the demo did not start:\n{text}")
    return Demo(url[1], key[1], password[1])


def _signed_in(browser: Browser, running: Demo) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    login = f"{running.url}/api/auth/login"
    if not context.request.post(login, data={"password": running.password}).ok:
        raise SystemExit("signing in failed")
    return context


def _ask(client: httpx.Client, model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    client.post("/v1/chat/completions", json=body).raise_for_status()


def first_paint(browser: Browser, running: Demo) -> Figure:
    """A context of its own for each load: nothing of the one before is cached."""
    found = []
    for _ in range(_LOADS):
        context = _signed_in(browser, running)
        page = context.new_page()
        page.goto(f"{running.url}/dashboard/")
        found.append(float(page.evaluate(_PAINT)))
        context.close()
    return Figure("first paint (median)", statistics.median(found), FIRST_PAINT_MS, "ms")


def delay(page: Page, client: httpx.Client) -> Figure:
    """Each request asks for a model that was not asked for yet, so that its row is told apart."""
    found = []
    for number in range(_DELAYS):
        model = f"demo/long-{number + 3}"
        _ask(client, model)
        ended_s = time.perf_counter()
        page.get_by_role("cell", name=model, exact=True).wait_for()
        found.append((time.perf_counter() - ended_s) * 1000)
    return Figure("delay of the feed (longest)", max(found), DELAY_MS, "ms")


def memory(page: Page, client: httpx.Client, minutes: float) -> Figure:
    session = page.context.new_cdp_session(page)

    def heap_bytes() -> int:
        session.send("HeapProfiler.collectGarbage")
        return int(session.send("Runtime.getHeapUsage")["usedSize"])

    for _ in range(_KEPT + 100):
        _ask(client, "demo/plain")
    page.wait_for_timeout(3_000)  # what is read after the last of them
    before = heap_bytes()
    ends_s = time.monotonic() + minutes * 60
    told_s = time.monotonic()
    while time.monotonic() < ends_s:
        _ask(client, "demo/plain")
        page.wait_for_timeout(1000 / _PER_SECOND)
        if time.monotonic() - told_s >= 60:
            told_s += 60
            print(f"  heap {heap_bytes() / 1e6:.1f} MB", flush=True)
    grown = max(0, heap_bytes() - before)
    return Figure(f"heap grown in {minutes:g} min", grown / 1e3, GROWTH_BYTES / 1e3, "kB")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.dashboard", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of watching the memory (10)")
    given = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("no Chromium on this machine: make system-deps")
    with demo() as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        headers = {"authorization": f"Bearer {running.key}", "x-omniroute-no-cache": "true"}
        with httpx.Client(
            base_url=running.url, headers=headers, timeout=60, trust_env=False
        ) as client:
            figures = [first_paint(browser, running)]
            print(figures[-1], flush=True)
            page = _signed_in(browser, running).new_page()
            page.goto(f"{running.url}/dashboard/#/overview")
            page.get_by_text("Live", exact=True).wait_for()
            figures.append(delay(page, client))
            print(figures[-1], flush=True)
            figures.append(memory(page, client, given.minutes))
            print(figures[-1], flush=True)
        browser.close()
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
