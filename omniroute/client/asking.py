"""One command from its options to what is printed and the exit status."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from omniroute.client.command import Command
from omniroute.client.connection import Gateway, Place
from omniroute.client.parsing import request_of
from omniroute.client.request import GatewayError, Request
from omniroute.client.tables import fields, rows_of, table

EXIT_DONE: Final = 0
EXIT_BROKEN: Final = 1
EXIT_INTERRUPTED: Final = 130


def run(options: argparse.Namespace, place: Callable[[], Place], out: TextIO) -> int:
    """Ask the gateway at `place` what the options say; returns the exit status."""
    command: Command = options.asked
    try:
        _confirm(command, options)
        request = request_of(command, options)
        gateway = Gateway(place())
        _DOES[command.does](command, options, request, gateway, out)
    except GatewayError as error:
        print(f"omniroute: {error}", file=sys.stderr)
        return EXIT_BROKEN
    except KeyboardInterrupt:  # how a feed is left
        return EXIT_INTERRUPTED
    return EXIT_DONE


def _confirm(command: Command, options: argparse.Namespace) -> None:
    if not command.is_grave or hasattr(options, "yes"):
        return
    if not sys.stdin.isatty():
        raise GatewayError(f"`{command.name}` needs --yes where nobody can be asked")
    if input(f"{command.help}: really? [y/N] ").strip().lower() not in ("y", "yes"):
        raise GatewayError("nothing was done")


def _ask(
    command: Command, options: argparse.Namespace, request: Request, gateway: Gateway, out: TextIO
) -> None:
    answer = gateway.ask(request)
    if hasattr(options, "json"):
        print(json.dumps(answer, indent=2, ensure_ascii=False), file=out)
    elif answer is None or command.done:
        print(command.done or "done", file=out)
    elif command.columns:
        out.write(table(command.columns, rows_of(answer)))
    else:
        if command.once:
            print(f"{answer.pop(command.once)}\n(it is not shown again)\n", file=out)
        out.write(fields(answer))


def _download(
    command: Command, options: argparse.Namespace, request: Request, gateway: Gateway, out: TextIO
) -> None:
    target = Path(getattr(options, "save.to"))
    pieces = gateway.download(request)
    first = next(pieces, b"")
    try:
        # Never over another file, and for this user alone: it may hold the whole history.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise GatewayError(f"{target} cannot be written: {error.strerror}") from error
    size = len(first)
    with os.fdopen(descriptor, "wb") as file:
        file.write(first)
        for piece in pieces:
            size += file.write(piece)
    told: dict[str, Any] = {"file": str(target), "bytes": size}
    out.write(json.dumps(told) + "\n" if hasattr(options, "json") else fields(told))


def _follow(
    command: Command, options: argparse.Namespace, request: Request, gateway: Gateway, out: TextIO
) -> None:
    for line in gateway.lines(request):
        print(line, file=out, flush=True)


_DOES: Final = {"ask": _ask, "download": _download, "follow": _follow}
