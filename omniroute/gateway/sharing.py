"""Whether a chat request takes part in what is shared, and what `flights` must know of it.

`asked_of` is the whole of it: None for a request that neither the cache nor a key of its client
makes one of several. That is found out by looking at two headers and a number; only then is
anything decoded or hashed. A request that cannot be decoded may still pass through to a provider of
its own format, so it merely takes no part in the cache.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from omniroute.config import CacheSettings
from omniroute.errors import GatewayError
from omniroute.formats import ir, replay
from omniroute.formats.base import Dialect, Peek, Shown
from omniroute.formats.canonical import canonical, split_last_turn
from omniroute.gateway import answers, keeping
from omniroute.gateway.flights import Asked
from omniroute.gateway.keeping import KeptBytes
from omniroute.installation import Installation, InstallationError
from omniroute.routing.facts import models
from omniroute.routing.resolve import Route
from omniroute.similarity.embedding import Embedder
from omniroute.similarity.guard import Features, features, same
from omniroute.state.answers import Answers, Neighbour
from omniroute.usage import Usage
from omniroute.wire.http1 import Request

CANDIDATES: Final = 8  # nearest questions that are judged before the search is given up

_encode = msgspec.msgpack.Encoder().encode
_decode_features = msgspec.msgpack.Decoder(Features).decode


class Question(NamedTuple):
    """A last turn that can be compared with others of its bucket."""

    bucket: bytes
    vector: bytes
    features: Features


class Meanings:
    """The semantic tier of one worker: earlier questions, found by what they mean.

    A question's features hold words of it, so they are sealed; of a vector only an embedder makes
    sense, and that of a whole text.
    """

    def __init__(
        self,
        embedder: Embedder,
        kept: Answers,
        installation: Installation,
        wall_ms: Callable[[], int],
    ) -> None:
        self._embedder = embedder
        self._kept = kept
        self._installation = installation
        self._wall_ms = wall_ms

    def question(
        self, settings: CacheSettings, principal_id: str, request: ir.Request, model: str
    ) -> Question | None:
        """None where the last turn is no question that could be asked in other words."""
        split = split_last_turn(request, model)
        if split is None or (found := features(split[1])) is None:
            return None
        bucket = keeping.bucket_key(settings, principal_id, split[0])
        return Question(bucket, self._embedder.embed(split[1]), found)

    def similar(self, question: Question, threshold: float) -> bytes | None:
        """The key of an answer to the nearest question that asks the same."""
        neighbours = self._kept.neighbours(question.bucket, self._wall_ms())
        for _ in range(CANDIDATES):
            vectors = [neighbour.vector for neighbour in neighbours]
            place, cosine = self._embedder.nearest(question.vector, vectors)
            if cosine < threshold:
                return None
            neighbour = neighbours.pop(place)
            if self._is_same(question, neighbour):
                return neighbour.key
        return None

    def _is_same(self, question: Question, neighbour: Neighbour) -> bool:
        try:
            theirs = _decode_features(self._installation.decrypt(neighbour.features))
        except (InstallationError, msgspec.MsgspecError):
            return False  # of another key or version: as good as none
        return same(question.features, theirs)

    def remember(self, question: Question, key: bytes, lasts_s: float) -> None:
        sealed = self._installation.encrypt(_encode(question.features))
        expires_ms = self._wall_ms() + int(lasts_s * 1000)
        self._kept.remember(question.bucket, Neighbour(question.vector, sealed, key, expires_ms))


def asked_of(
    settings: CacheSettings,
    principal_id: str,
    key_setting: bool | None,
    request: Request,
    body: bytes,
    peeked: Peek,
    dialect: Dialect,
    *,
    shown: Shown,
    decode: Callable[[], ir.Request],
    usage: Callable[[], Usage | None],
    stands_for: str,
    form: tuple[object, ...] = (),
    meanings: Meanings | None = None,
) -> Asked | None:
    """How a request takes part; None: not at all. `stands_for`: see the function of that name.

    `decode` gives the request as it will be sent on, edits included; `usage` what was counted when
    the answer has ended, as its stream may not tell; `form` what else shapes the answer's bytes.
    """
    fields = request.fields
    repeated = keeping.idempotency_key(settings, principal_id, fields)
    cached = keeping.wants_cache(settings, key_setting, fields, peeked.temperature, refers=False)
    if not repeated and not cached:
        return None
    cache_key = b""
    question = None
    if cached and not dialect.refers(body, peeked):
        try:
            decoded = decode()
        except GatewayError:
            decoded = None
        if decoded is not None:
            meaning = canonical(decoded, stands_for)
            cache_key = keeping.cache_key(settings, principal_id, meaning)
            if meanings is not None:
                question = meanings.question(settings, principal_id, decoded, stands_for)
    if not repeated and not cache_key:
        return None
    kept_as = _KeptAs(dialect, shown, stream=peeked.stream, usage=usage)
    asked = Asked(
        settings=settings,
        idempotency_key=repeated,
        tag=keeping.request_tag(request.target, body) if repeated else b"",
        cache_key=cache_key,
        form=keeping.form_key(
            dialect.format, peeked.stream, peeked.include_usage, shown.sse, peeked.model, *form
        ),
        model=peeked.model,
        keep=kept_as.keep,
        replay=kept_as.replay,
    )
    if meanings is None or question is None:
        return asked
    tier, searched = meanings, question
    return asked._replace(
        similar=lambda: tier.similar(searched, settings.semantic_threshold),
        remember=lambda: tier.remember(searched, cache_key, settings.ttl_s),
    )


def stands_for(route: Route) -> str:
    """All targets that a name stands for, in order: with others, its answers are others, too."""
    targets = [
        f"{model.provider.id}/{model.model}"
        for member in route.steps[0].combo.members
        for model in models(member)
    ]
    return f"{route.combo}: {', '.join(targets)}"


class _KeptAs:
    """An answer from a client's bytes to its meaning, and from a meaning to this client's bytes."""

    __slots__ = ("_dialect", "_shown", "_stream", "_usage")

    def __init__(
        self, dialect: Dialect, shown: Shown, *, stream: bool, usage: Callable[[], Usage | None]
    ) -> None:
        self._dialect = dialect
        self._shown = shown
        self._stream = stream
        self._usage = usage

    def keep(self, answer: KeptBytes) -> bytes | None:
        return replay.keep(
            self._dialect.format, answer.body, streamed=answer.streamed, usage=self._usage()
        )

    def replay(self, kept: bytes) -> KeptBytes:
        dialect = self._dialect
        try:
            response = replay.kept_answer(kept)
            body = replay.replay(response, dialect.format, self._shown, stream=self._stream)
        except ir.FormatError as error:
            raise ValueError(error.message) from None
        content_type = answers.JSON
        if self._stream:
            content_type = dialect.stream_content_type(sse=self._shown.sse)
        return KeptBytes(200, content_type, b"", self._stream, body)
