"""The judge behind the embedding: may one question's answer be given to the other?

Contract: `features(text)` is what is kept of a question beside its vector, and `same(a, b)` says
whether two questions may share an answer. An embedding of averaged words does not see order, and
hardly a number, a `not`, or Java for Python; so nearness alone is never enough. Two questions are
the same only if each sentence of one has the form (`sentence`) of its counterpart, and no word is a
name in one and an ordinary word in the other. `same` is an equivalence but for that last rule, and
it errs to one side: it misses many paraphrases, and takes a different question for the same only
where a table of `words` is wrong. Pure; linear in the text.
"""

from hashlib import blake2b
from typing import Final

import msgspec

from omniroute.similarity.reading import read
from omniroute.similarity.sentence import shape
from omniroute.similarity.words import SETTING, TWO_FACED

# Longer texts are material with a question somewhere in it: near-duplicates by construction. It
# also bounds the time that judging takes: 0.13 ms for a line, up to 4 ms for this many characters.
MAX_CHARS: Final = 1_000
_DIGEST_BYTES: Final = 20


class Features(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What must be equal. `form`: digest of the sentences' forms, in their order; `names` and
    `plain`: words written as names, and words written in lower case, both sorted."""

    form: bytes
    names: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()


def features(text: str) -> Features | None:
    """What is kept of a question; None for one that shares no answer: too long, or empty."""
    if len(text) > MAX_CHARS:
        return None
    reading = read(text)
    shapes = [shaped for shaped in map(shape, reading.sentences) if shaped.form]
    if not shapes:
        return None
    form = "\x1e".join(shaped.form for shaped in shapes).encode("utf-8", "surrogatepass")
    # `in python` and `in Python` are the same setting; `rust` and `Rust` alone are two things.
    known = (SETTING.keys() - TWO_FACED) | {shaped.setting.split(" ")[0] for shaped in shapes}
    return Features(
        blake2b(form, digest_size=_DIGEST_BYTES).digest(),
        tuple(sorted(reading.names - known)),
        tuple(sorted(reading.plain - known)),
    )


def same(a: Features, b: Features) -> bool:
    """Whether the answer to one question may be given to the other."""
    return a.form == b.form and not set(a.names) & set(b.plain) and not set(b.names) & set(a.plain)
