"""Where each key of a TOML document stands: path → line. `tomllib` keeps no positions.

Contract: `key_lines(text)` for a text that `tomllib` has accepted; paths are tuples of keys and
list indices, as in `("providers", 2, "format")`, lines count from 1. It is a walk over the grammar
of TOML 1.0 (toml.io/en/v1.0.0) that skips values, so it validates nothing itself.
"""

from bisect import bisect_right

Path = tuple[str | int, ...]

_BARE_END = frozenset(" \t.=]\r\n")
_SCALAR_END = frozenset(",]}#\n")


def key_lines(text: str) -> dict[Path, int]:
    """The line of every table, key and list item. `text` must be valid TOML."""
    return _Walk(text.replace("\r\n", "\n")).document()


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.array_sizes: dict[Path, int] = {}  # of [[tables]]
        self.line_starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip_blank():
            start = self.at
            if self.text.startswith("[[", self.at):
                self.at += 2
                table = self._open_array_table(self._key())
                self.at += 2
                self._note(table, start)
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._through_arrays(self._key())
                self.at += 1
                self._note(table, start)
            else:
                self._pair(table)
        return self.found

    def _open_array_table(self, keys: list[str]) -> Path:
        name = (*self._through_arrays(keys[:-1]), keys[-1])
        index = self.array_sizes.get(name, 0)
        self.array_sizes[name] = index + 1
        return (*name, index)

    def _through_arrays(self, keys: list[str]) -> Path:
        """`[providers.headers]` below `[[providers]]` means the last provider."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.array_sizes:
                path = (*path, self.array_sizes[path] - 1)
        return path

    def _note(self, path: Path, offset: int) -> None:
        line = bisect_right(self.line_starts, offset)
        for length in range(1, len(path) + 1):  # a dotted key or header opens its parents, too
            self.found.setdefault(path[:length], line)

    def _pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self._key())
        self._note(path, start)
        self.at = self.text.index("=", self.at) + 1
        self._value(path)

    def _key(self) -> list[str]:
        keys = []
        while True:
            self._skip_spaces()
            if self.text[self.at] in "\"'":
                start = self.at
                self._string()
                keys.append(_plain(self.text[start : self.at]))
            else:
                start = self.at
                while self.text[self.at] not in _BARE_END:
                    self.at += 1
                keys.append(self.text[start : self.at])
            self._skip_spaces()
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _value(self, path: Path) -> None:
        self._skip_spaces()
        first = self.text[self.at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._list(path)
        elif first == "{":
            self._inline_table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in _SCALAR_END:
                self.at += 1

    def _list(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self._skip_blank() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._note((*path, index), self.at)
            self._value((*path, index))
            index += 1
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self._skip_blank() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1

    def _string(self) -> None:
        """Step over a string of any of the four kinds."""
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            end = self._closing(quote * 3, self.at + 3) + 3
            while end < len(self.text) and self.text[end] == quote:  # """a""""" ends in its quotes
                end += 1
            self.at = end
        else:
            self.at = self._closing(quote, self.at + 1) + 1

    def _closing(self, quotes: str, at: int) -> int:
        escapes = quotes[0] == '"'
        while not self.text.startswith(quotes, at):
            at += 2 if escapes and self.text[at] == "\\" else 1
        return at

    def _skip_spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _skip_blank(self) -> bool:
        """Over white space, line ends and comments; False at the end of the text."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t\n":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return True
        return False


def _plain(quoted: str) -> str:
    """The key a quoted key spells. Escapes are left to `tomllib`, which knows them all."""
    if quoted[0] == "'" or "\\" not in quoted:
        return quoted[1:-1]
    import tomllib

    return str(tomllib.loads(f"key = {quoted}")["key"])
