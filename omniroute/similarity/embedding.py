"""Texts as vectors: which earlier question is nearest to this one.

Contract: `load()` gives the one embedder of a process, from the optional extra `semantic`; it is
imported only then, because it takes some 100 MB of memory and 0.4 s. The model lies inside the
installed wheel, and nothing is ever downloaded. A vector is the mean over a text's tokens of a
static vector each, so it knows what a text is about and not what it says: word order is lost and a
`not` hardly moves it. That is why a near text is only a candidate, which `guard` judges.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from omniroute.similarity.guard import MAX_CHARS

if TYPE_CHECKING:
    import numpy as np

EXTRA: Final = "omniroute[semantic]"
DIMENSIONS: Final = 256  # of the model in the wheel; a stored vector has as many bytes
_STEPS: Final = 127


class EmbedderMissingError(Exception):
    """The extra that holds the embedder is not installed, or not whole."""


class Embedder:
    """Makes vectors and compares them. `load` makes it; it is not for several threads at once."""

    def __init__(self, model: Any) -> None:
        import numpy as np

        self._model = model
        self._np = np

    def embed(self, text: str) -> bytes:
        """The direction of a text: `DIMENSIONS` signed bytes, the largest of them ±127.

        All zero for a text without any token: near to nothing. ValueError for a text of more than
        `MAX_CHARS` characters, which the guard refuses too.
        """
        if len(text) > MAX_CHARS:
            raise ValueError(f"a text of {len(text)} characters; at most {MAX_CHARS} are embedded")
        text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
        if not text.strip():
            return bytes(DIMENSIONS)
        np = self._np
        vector = self._model.embed(text)[0]
        largest = float(np.abs(vector).max())
        if not largest > 0:
            return bytes(DIMENSIONS)
        quantised: bytes = np.rint(vector * (_STEPS / largest)).astype(np.int8).tobytes()
        return quantised

    def nearest(self, query: bytes, candidates: Sequence[bytes]) -> tuple[int, float]:
        """Place and cosine of the candidate nearest to a vector of `embed`; (-1, -1.0) of none.

        The first of equals. A vector of zeros has the cosine 0 with all. ValueError for a vector
        of another length.
        """
        if not candidates:
            return -1, -1.0
        if any(len(vector) != DIMENSIONS for vector in (query, *candidates)):
            raise ValueError(f"a vector that has not {DIMENSIONS} bytes")
        np = self._np
        rows = np.frombuffer(b"".join(candidates), np.int8).reshape(len(candidates), DIMENSIONS)
        cosines = self._cosines(np.frombuffer(query, np.int8), rows)
        place = int(cosines.argmax())
        return place, float(cosines[place])

    def _cosines(self, query: "np.ndarray[Any, Any]", rows: "np.ndarray[Any, Any]") -> Any:
        np = self._np
        line, table = query.astype(np.float32), rows.astype(np.float32)
        lengths = np.linalg.norm(table, axis=1) * np.linalg.norm(line)
        return (table @ line) / np.maximum(lengths, 1.0)


def load() -> Embedder:
    """The embedder, from the installed extra. EmbedderMissingError names what to install."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        import wordllama

        folder = Path(wordllama.__file__).parent
        model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    except (ImportError, FileNotFoundError) as error:
        raise EmbedderMissingError(
            f"The semantic cache needs an embedder that is not installed: pip install '{EXTRA}' "
            f"({error}). Or set cache.semantic = false."
        ) from error
    finally:
        # Importing it configures the process's logging; what is logged and how is not its affair.
        root.setLevel(level)
        root.handlers[:] = handlers
    return Embedder(model)
