"""What is told once requests are answered: URLs, the first start's secrets, one READY line."""

import logging
import os
import sys

import trio

from omniroute import __version__
from omniroute.supervisor.plan import Ready

_log = logging.getLogger("omniroute.supervisor")


def banner(ready: Ready) -> str:
    lines = [
        f"OmniRoute {__version__}",
        f"  endpoint    {ready.endpoint}/v1",
        f"  dashboard   {ready.dashboard}/dashboard/",
    ]
    if ready.first_start:
        first = ready.first_start
        lines += ["", "First start. What follows is shown this once:"]
        if first.get("password"):
            lines.append(f"  admin password   {first['password']}")
        else:
            lines.append("  admin password   as given by INITIAL_PASSWORD")
        lines.append(f"  sign-in link     {first['link']}")
        if first.get("api_key"):
            lines.append(f"  API key          {first['api_key']}")
        lines.append("")
    # The last line is for scripts: it appears exactly once, when requests are answered.
    lines.append(f"READY {ready.endpoint} {ready.dashboard}")
    return "\n".join(lines)


def has_display() -> bool:
    return (
        sys.platform in ("darwin", "win32")
        or bool(os.environ.get("DISPLAY"))
        or bool(os.environ.get("WAYLAND_DISPLAY"))
    )


async def open_browser(url: str) -> None:
    import webbrowser  # rarely needed, and slow to load

    opened = await trio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)
    if not opened:
        _log.info("no browser could be opened; the link above signs in")
