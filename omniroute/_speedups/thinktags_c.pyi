"""Interface of the compiled twin of `thinktags_py`, where the contract is stated."""

from typing import Final, final

MAX_AHEAD: Final = 200
MAX_BLANK: Final = 256

@final
class ThinkTagSplitter:
    def __init__(self) -> None: ...
    def feed(self, text: str) -> list[tuple[bool, str]]: ...
    def finish(self) -> list[tuple[bool, str]]: ...
