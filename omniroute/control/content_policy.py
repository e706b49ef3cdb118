"""What pages may load and call (Content Security Policy Level 3, w3.org/TR/CSP3).

Nothing but our own files and calls to our own API; no inline script or style, no frames. The one
exception is a page's import map, which browsers take inline only: its hash is in the page's policy.
"""

import base64
import hashlib
import re
from typing import Final

_RULES: Final = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_IMPORT_MAP: Final = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)

POLICY: Final = _RULES.format(scripts="")
"""For everything that is no page of ours."""


def policy_of(page: bytes) -> str:
    """The policy of an HTML page: `POLICY`, with the hashes of its import maps."""
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
        for text in _IMPORT_MAP.findall(page)
    )
    return _RULES.format(scripts=hashes)
