"""Reasoning that a model writes between think tags in its text, split off as the text streams.

`ThinkTagSplitter().feed(text)` gives `(is_reasoning, text)` pairs, `finish()` what was held back.
What counts as a tag (only leading ones; not inside quoted code; never closed: to the end) is stated
in `omniroute._speedups.thinktags_py`; a compiled twin runs where it is built.
"""

from omniroute._speedups import ThinkTagSplitter

__all__ = ["ThinkTagSplitter"]
