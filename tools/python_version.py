"""Refuse a Python that is too old before anything is installed with it, in words.

Runs on whatever `python3` is, so its syntax is kept older than the project's.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "OmniRoute needs Python 3.11 or newer; this one is {}.{} ({}). Name another one with "
        "`make PYTHON=/path/to/python3.12 …`.".format(*sys.version_info[:2], sys.executable)
    )
