"""A browser before a real gateway with the simulator behind it, both as processes.

Whatever a test is about, it fails when the page wrote an error to its console, when a request of
it failed, or when the browser reported a breach of the Content-Security-Policy (`Watch`).
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    Response,
    ViewportSize,
    sync_playwright,
)

from tests.processes.harness import API_KEY, ROOT, Gateway, eventually, simulator_process

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = ROOT / "artifacts"
MODELS = ("plain", "tools", "reasoning", "long-200")

DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}

# One browser and one gateway serve all of these tests, and end with them: what follows has its own
# event loops. What a test waits for comes in seconds.
_WAIT_MS = 15_000
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
)
_REPORT_POLICY = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI}`));"""


class Site(NamedTuple):
    """A running gateway as a person meets it."""

    gateway: Gateway
    url: str
    password: str
    simulator: str


class Watch:
    """What went wrong in the pages of a context; `expected`: patterns of what a test provokes."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self.expected: list[str] = []

    def follow(self, context: BrowserContext) -> None:
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.troubles.append(f"error: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.troubles.append(f"console: {text}")

    def _failed(self, request: Request) -> None:
        # Leaving a page ends what it was still reading; that is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status}: {response.request.method} {response.url}")

    def assert_quiet(self) -> None:
        left = [
            trouble
            for trouble in self.troubles
            if not any(re.search(pattern, trouble) for pattern in self.expected)
        ]
        assert not left, "\n".join(left)


class _Gateway(Gateway):
    """A gateway on free ports whose data dir may hold nothing but the file's declarations."""

    def __init__(self, folder: Path, declared: str) -> None:
        super().__init__(folder, None)  # type: ignore[arg-type]
        self.config_file.write_text(f"[server]\nport = 0\ndashboard_port = 0\n{declared}")


@contextmanager
def site_of(folder: Path, declared: str, simulator: str) -> Iterator[Site]:
    gateway = _Gateway(folder, declared)
    try:
        gateway.start()
        eventually(gateway.status)
        password = re.search(r"admin password\s+(\S+)", gateway.stdout())
        assert password
        yield Site(gateway, f"{gateway.endpoint}/dashboard/", password[1], simulator)
        gateway.stop()
    finally:
        gateway.clean_up()


@pytest.fixture(scope="package")
def simulator() -> Iterator[str]:
    """The address of a simulator process, without a version."""
    with simulator_process() as address:
        yield address


def declared_for(simulator: str) -> str:
    """Three providers, a combo over two, an alias, a key: something of everything to look at."""
    models = ", ".join(f'"{name}"' for name in MODELS)
    return f"""
[[providers]]
id = "acme"
format = "openai"
base_url = "{simulator}/v1"
tier = "apikey"
models = [{models}]
[[providers]]
id = "spare"
format = "claude"
base_url = "{simulator}"
tier = "cheap"
models = [{models}]
[[providers]]
id = "flaky"
format = "openai"
base_url = "{simulator}/p/flaky/v1"
tier = "free"
models = [{models}]
[[connections]]
provider = "acme"
name = "main"
api_key = "upstream-key"
rpm = 600
[[connections]]
provider = "acme"
name = "second"
api_key = "upstream-key-2"
priority = 2
[[connections]]
provider = "spare"
name = "only"
api_key = "upstream-key"
[[connections]]
provider = "flaky"
name = "only"
api_key = "upstream-key"
[[combos]]
name = "coding"
strategy = "priority"
models = ["acme/plain", "spare/plain"]
[[aliases]]
pattern = "quick-*"
target = "acme/plain"
[[keys]]
name = "laptop"
key = "{API_KEY}"
budget = {{ usd = 50.0, period = "monthly" }}
rpm = 600
[[pricing]]
model = "acme/*"
input = 0.6
output = 2.2
"""


@pytest.fixture(scope="package")
def site(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The gateway that most tests share: providers, a combo, keys, and a little history."""
    folder = tmp_path_factory.mktemp("site")
    with site_of(folder, declared_for(simulator), simulator) as made:
        with made.gateway.client() as client:
            for model in ("acme/plain", "spare/plain", "coding", "quick-one", "acme/reasoning"):
                made.gateway.chat(client, model)
            made.gateway.chat(client, "acme/no-such-model")
        yield made


@pytest.fixture
def opened() -> Iterator[list[BrowserContext]]:
    """The contexts of this test, closed before what they look at ends."""
    made: list[BrowserContext] = []
    yield made
    close_all(made)


def close_all(opened: list[BrowserContext]) -> None:
    while opened:
        opened.pop().close()


@pytest.fixture
def fresh_site(simulator: str, tmp_path: Path, opened: list[BrowserContext]) -> Iterator[Site]:
    """A gateway on its very first day: nothing is declared."""
    with site_of(tmp_path, "", simulator) as made:
        yield made
        close_all(opened)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What the pages of this test report; the test fails on anything it did not expect."""
    made = Watch()
    yield made
    made.assert_quiet()


OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def contexts(browser: Browser, watch: Watch, opened: list[BrowserContext]) -> OpenContext:
    """Makes watched contexts: `contexts(viewport=PHONE, color_scheme="dark", …)`."""

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        opened.append(context)
        context.set_default_timeout(_WAIT_MS)
        context.add_init_script(_REPORT_POLICY)
        watch.follow(context)
        return context

    return make


@pytest.fixture(scope="package")
def signed_in(browser: Browser, site: Site) -> Any:
    """The cookies of a person who has signed in at `site`."""
    context = browser.new_context()
    answer = context.request.post(
        site.url.replace("/dashboard/", "/api/auth/login"), data={"password": site.password}
    )
    assert answer.ok
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(contexts: OpenContext, signed_in: Any) -> Page:
    """A page of `site` at desktop width, signed in; nothing is loaded yet."""
    return contexts(storage_state=signed_in).new_page()
