"""The routes by which tests and people write the script of simulated providers.

Bodies and answers are JSON; a body is a `MountScript` or, for an account, a `Script`: see there and
in `accounts` for every member. What is not given has its default, so `{}` ends all trouble.

| route | does |
|---|---|
| `GET /_simulator/mounts` | tells all: scripts, counts, quotas, per mount and account |
| `DELETE /_simulator/mounts` | forgets all |
| `GET /_simulator/mounts/NAME` | tells one |
| `PUT /_simulator/mounts/NAME` | gives it this script, in place of the one before |
| `PUT /_simulator/mounts/NAME/accounts/CREDENTIAL` | gives one account a script of its own |
| `DELETE /_simulator/mounts/NAME/accounts/CREDENTIAL` | takes that script away; its counts stay |
| `POST /_simulator/mounts/NAME/restart-quotas` | all quotas of its accounts are fresh |

Each but the `DELETE` of all answers with what the mount then tells; a script that makes no sense is
a 400 with an `error` that says why, and changes nothing.
"""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from omniroute.simulator.accounts import Script
from omniroute.simulator.mounts import Mount, Mounts, MountScript, TooMany
from omniroute.simulator.scenario import UnknownScenario, scenario_named
from omniroute.simulator.vendors import VENDORS

__all__ = ["scripting_routes"]


def scripting_routes(mounts: Mounts) -> list[Route]:
    """The routes, to stand below `/_simulator/mounts`."""

    def told(mount: Mount) -> Response:
        return JSONResponse(mount.told(mounts.now_s()))

    async def all_mounts(request: Request) -> Response:
        if request.method == "DELETE":
            mounts.forget()
        now_s = mounts.now_s()
        return JSONResponse({mount.name: mount.told(now_s) for mount in mounts})

    async def one_mount(request: Request) -> Response:
        try:
            mount = mounts.get(request.path_params["mount"])
            if request.method == "PUT":
                mount.play(_mount_script(await request.body()), mounts.now_s())
        except (ValueError, TooMany) as error:
            return _wrong(error)
        return told(mount)

    async def one_account(request: Request) -> Response:
        credential = request.path_params["credential"]
        try:
            mount = mounts.get(request.path_params["mount"])
            script = None if request.method == "DELETE" else _script(await request.body())
            mount.play_account(credential, script, mounts.now_s())
        except (ValueError, TooMany) as error:
            return _wrong(error)
        return told(mount)

    async def restart_quotas(request: Request) -> Response:
        try:
            mount = mounts.get(request.path_params["mount"])
        except TooMany as error:
            return _wrong(error)
        for account in mount.accounts.values():
            account.restart(mounts.now_s())
        return told(mount)

    one = "/_simulator/mounts/{mount}"
    return [
        Route("/_simulator/mounts", all_mounts, methods=["GET", "DELETE"]),
        Route(one, one_mount, methods=["GET", "PUT"]),
        Route(one + "/accounts/{credential:path}", one_account, methods=["PUT", "DELETE"]),
        Route(one + "/restart-quotas", restart_quotas, methods=["POST"]),
    ]


def _script(body: bytes) -> Script:
    script = msgspec.json.decode(body, type=Script)
    _check_scenario(script)
    return script


def _mount_script(body: bytes) -> MountScript:
    script = msgspec.json.decode(body, type=MountScript)
    _check_scenario(script)
    if script.vendor and script.vendor not in VENDORS:
        raise ValueError(f"no vendor {script.vendor!r}; there are {', '.join(VENDORS)}")
    return script


def _check_scenario(script: Script) -> None:
    if not script.scenario:
        return
    try:
        scenario_named(script.scenario)
    except UnknownScenario as error:
        raise ValueError(str(error)) from None


def _wrong(error: Exception) -> Response:
    message = "no more providers or accounts are kept" if isinstance(error, TooMany) else str(error)
    return JSONResponse({"error": message}, 400)
