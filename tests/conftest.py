"""What holds for every test: hypothesis's profiles, and no setting from the developer's shell.

The gateway reads settings and proxies from its environment, so what happens to be set in the shell
that runs the tests would change their results.
"""

import os

import hypothesis

# `default` is for landing: quick, and the same examples on every run, so that a red run is red
# again. `fuzz` is for `make fuzz`: long, and new examples each time.
hypothesis.settings.register_profile("default", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("default")

# The switch between compiled speedups and twins, and where the wheel lies, steer the tests.
_KEPT = ("OMNIROUTE_NO_EXTENSIONS", "OMNIROUTE_WHEEL")
_STEERING = ("PORT", "HOSTNAME", "DATA_DIR", "INITIAL_PASSWORD", "REQUIRE_API_KEY")

for _name in list(os.environ):
    if (
        (_name.startswith("OMNIROUTE_") and _name not in _KEPT)
        or _name in _STEERING
        or _name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    ):
        del os.environ[_name]
