"""From settings to a snapshot: what control does when configuration changes, and nobody else.

`compile_snapshot` joins the settings over the registry of built-in providers and the table of
prices, encrypts credentials, digests keys, resolves every URL and name, and turns limits into
meters. It does no I/O. What does not fit together is a ConfigError that names every place; what
works only in part is told in `ProviderView.needs` and `Snapshot.problems`; what is switched off is
absent. `admit` leaves out the stored things that do not fit. Workers read snapshots and never
import this package.
"""

from omniroute.compiling.admitting import admit
from omniroute.compiling.compilation import compile_snapshot
from omniroute.compiling.keys import IssuedKey
from omniroute.compiling.providers import SPOKEN_FORMATS

__all__ = ["SPOKEN_FORMATS", "IssuedKey", "admit", "compile_snapshot"]
