"""Where the files are that the package ships but Python does not import.

The dashboard's source stands at the top of a checkout, for the people who edit it, and inside the
package in a wheel (setup.py carries it there). Everyone who serves it asks here, so that nobody
else knows the difference.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_DASHBOARD = "dashboard_static"


def dashboard_dir() -> Path:
    """The folder of the dashboard's files, whether this runs from a wheel or from a checkout.

    Raises `FileNotFoundError`, saying where it looked, when the installation holds none.
    """
    candidates = (_PACKAGE / _DASHBOARD, _PACKAGE.parent / _DASHBOARD)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = " nor ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(f"no dashboard in this installation: neither {looked} exists")
