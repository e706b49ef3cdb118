"""`make bench`: measures direct-to-mock, nginx and the gateway in one run, on this machine.

    python -m bench.run [--quick] [--subjects direct,nginx,bare,full] [--gateway-cpus 0] …

The gateway (or nginx) is bound to one core, mock and load to the others. Prints a table and the
list of what is asked of the project; the raw result goes to bench/results/ as JSON. Exit status:
0 with a result, 1 when an answer was wrong or a subject did not start, 2 on wrong usage.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import budget, report, subjects
from bench.generator import build
from bench.measures import COMPLETE, QUICK, Bench, Outcome
from bench.processes import StartError, allowed_cpus
from bench.subjects import Machine, Mock

HERE = Path(__file__).parent
ROOT = HERE.parent
SUBJECTS = ("direct", "nginx", "bare", "full")


def _cpus(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    cpus = allowed_cpus()
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="short runs: to try it, not to quote")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help="which of: %(default)s")
    parser.add_argument(
        "--gateway-cpus",
        type=_cpus,
        default=(cpus[0],),
        metavar="N",
        help="core of what is measured (default: the first)",
    )
    parser.add_argument(
        "--load-cpus",
        type=_cpus,
        default=tuple(cpus[1:2] or cpus),
        metavar="N",
        help="core of mock and load (default: the second)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="also measure this many workers; 1 leaves that out (%(default)s)",
    )
    parser.add_argument("--python", default=sys.executable, help="runs the gateway")
    parser.add_argument("--output", type=Path, help="result file (bench/results/TIME-COMMIT.json)")
    options = parser.parse_args(argv)
    options.subjects = options.subjects.split(",")
    unknown = set(options.subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}")
    return options


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError:
        return ""
    return (done.stdout + done.stderr).strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """Machine, versions and commit: what a figure means nothing without."""
    nginx = subjects.nginx_binary()
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "changed_since_commit": bool(_said("git", "status", "--porcelain", "--", "omniroute")),
        "machine": {
            "cpu": _cpu_model(),
            "cpus": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "kernel": platform.release(),
            "load_average_before": os.getloadavg()[0],
        },
        "versions": {
            "python": _said(options.python, "--version").removeprefix("Python "),
            "nginx": _said(nginx, "-v").rpartition("/")[2] if nginx else "",
            "compiler": _said(os.environ.get("CC", "cc"), "--version").partition("\n")[0],
        },
        "options": {
            "quick": options.quick,
            "gateway_cpus": options.gateway_cpus,
            "load_cpus": options.load_cpus,
            "workers": options.workers,
        },
    }


def say(text: str) -> None:
    print(text, flush=True)


def measure(options: argparse.Namespace, machine: Machine, upstream: Mock) -> dict[str, Outcome]:
    """Runs what was chosen; a subject that does not start is reported and the others go on."""
    bench = Bench(machine, upstream, QUICK if options.quick else COMPLETE, say)
    outcomes: dict[str, Outcome] = {}
    for name in options.subjects:
        try:
            if name == "direct":
                outcomes[name] = bench.everything(subjects.direct(upstream))
            elif name == "nginx":
                with subjects.nginx(machine, upstream) as subject:
                    outcomes[name] = bench.everything(subject)
            else:
                workers = options.workers if name == "full" else 1
                outcomes[name] = bench.gateway(name, workers=workers)
        except StartError as error:
            say(f"{name} did not run: {error}")
            outcomes[name] = Outcome(name, problems={"start": str(error)})
    return outcomes


def save(data: dict[str, Any], text: str, chosen: Path | None) -> Path:
    """Writes the JSON, and the tables beside it as text."""
    stamp = data["when"].replace(":", "").replace("-", "")[:15]
    path = chosen or HERE / "results" / f"{stamp}-{data['commit'] or 'unknown'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")
    path.with_suffix(".txt").write_text(text + "\n")
    return path


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    build()
    data = circumstances(options)
    os.sched_setaffinity(0, options.load_cpus)
    if set(options.gateway_cpus) & set(options.load_cpus):
        say("bench: gateway and load share a core here; the figures say little")
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as directory:
        machine = Machine(options.gateway_cpus, options.load_cpus, Path(directory), options.python)
        with subjects.mock(machine) as upstream:
            outcomes = measure(options, machine, upstream)
            held = budget.measure(machine, upstream) if "full" in options.subjects else None
            data["mock"] = upstream.stats()
    items = report.asked(outcomes)
    extent = QUICK if options.quick else COMPLETE
    data["subjects"] = report.as_data(outcomes)
    data["asked"] = [item.as_data() for item in items]
    text = _head(data) + "\n\n" + report.table(outcomes, extent.rates)
    if compared := report.comparison(outcomes, extent.rates):
        text += "\n\n" + compared
    if "bare" in outcomes or "full" in outcomes:
        text += "\n\n" + report.asked_table(items)
    text += "\n" + "".join(f"\n{warning}" for warning in report.warnings(outcomes))
    for outcome in outcomes.values():
        text += "".join(f"\n{outcome.name}: {note}" for note in outcome.notes)
        text += "".join(f"\n{outcome.name}: no {k}: {why}" for k, why in outcome.problems.items())
    if held is not None:
        data["budget"] = dataclasses.asdict(held) | {"broken": held.problems()}
        text += f"\n{held.told()}" + "".join(f"\n  DOES NOT HOLD: {p}" for p in held.problems())
    say("\n" + text)
    say(f"\nraw result: {os.path.relpath(save(data, text, options.output))}")
    if held is not None and held.problems():
        return 1
    return 1 if any(outcome.is_void or outcome.problems for outcome in outcomes.values()) else 0


def _head(data: dict[str, Any]) -> str:
    machine, versions = data["machine"], data["versions"]
    return (
        f"{data['when']}, commit {data['commit']}{' (changed)' * data['changed_since_commit']}, "
        f"{machine['cpus']} × {machine['cpu']}, Linux {machine['kernel']}, "
        f"Python {versions['python']}, nginx {versions['nginx']}"
        + (", quick run" if data["options"]["quick"] else "")
    )


if __name__ == "__main__":
    sys.exit(main())
