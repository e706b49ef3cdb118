"""Stands in for control and workers in the supervisor's tests: speaks the link, serves nothing.

`python -m tests.processes.fake_child <module it plays> <folder> …`. What it does is read from
`<folder>/behaviour.json`; what it hears is added to `<folder>/journal`.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from omniroute.link import SyncLink


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, folder = sys.argv[1], Path(sys.argv[2])
    link = SyncLink(socket.socket(fileno=int(sys.argv[sys.argv.index("--link-fd") + 1])))
    behaviour: dict[str, Any] = json.loads((folder / "behaviour.json").read_text()).get(module, {})
    name = module.removeprefix("omniroute.")
    if "--worker-id" in sys.argv:
        name += sys.argv[sys.argv.index("--worker-id") + 1]

    def note(event: str) -> None:
        with (folder / "journal").open("a") as journal:
            journal.write(f"{name} {os.getpid()} {event}\n")

    note("started" + (" as replacement" if "--is-replacement" in sys.argv else ""))
    if name == "control":
        if "refuse" in behaviour:
            link.send("refused", message=behaviour["refuse"])
            sys.exit(2)
        first_start = behaviour.get("first_start")
        link.send("published", map_bytes=7, first_start=first_start is not None)
        if first_start is not None:
            link.send("first_start", **first_start)
        link.send("ready")
    if behaviour.get("nonsense"):
        link._socket.sendall(b"nonsense\n")
    if behaviour.get("crash"):
        sys.exit(3)

    def beat() -> None:
        while not behaviour.get("silent_after_first_beat"):
            time.sleep(0.05)
            link.send("beat", inflight=0)

    link.send("beat", inflight=0)
    threading.Thread(target=beat, daemon=True).start()
    while (message := link.receive()) is not None:
        if message["type"] == "go":
            note(f"go {message['map_bytes']} {message['drain_timeout_s']}")
            link.send("ready")
        elif message["type"] == "child_died":
            note(f"child_died {message['kind']} {message['number']} {message['pid']}")
        elif message["type"] in ("drain", "stop"):
            note(message["type"])
            if not behaviour.get("stubborn"):
                time.sleep(0.1)
                note("leaves")
                return
        elif message["type"] != "fleet":
            note(message["type"])
    note("end of file")


if __name__ == "__main__":
    main()
