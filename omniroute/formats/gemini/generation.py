"""generationConfig both ways: sampling, thinking, structured output.

Source: Gemini API reference, `GenerationConfig` and `ThinkingConfig`; the guides on thinking and on
structured output. JSON output and functions together need Gemini 3: for older models the wish is
said in words, and named as a loss.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_args

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.gemini import reasons, schema, wire
from omniroute.formats.gemini.expansion import expand
from omniroute.formats.gemini.identity import FORMAT
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.thinking import BUDGET_TOKENS

MAX_STOPS: Final = 5
MAX_CANDIDATES: Final = 8
MAX_TOP_LOGPROBS: Final = 20
_FIRST_WITH_JSON_AND_TOOLS: Final = 3.0

_CONFIG: Final[Mapping[str, str]] = {
    "top_p": "topP",
    "top_k": "topK",
    "candidate_count": "candidateCount",
    "max_output_tokens": "maxOutputTokens",
    "stop_sequences": "stopSequences",
    "response_mime_type": "responseMimeType",
    "response_schema": "responseSchema",
    "response_json_schema": "responseJsonSchema",
    "_responseJsonSchema": "responseJsonSchema",  # an older name in the reference
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "response_logprobs": "responseLogprobs",
    "thinking_config": "thinkingConfig",
    "response_modalities": "responseModalities",
    "media_resolution": "mediaResolution",
    "speech_config": "speechConfig",
}


class _Config(msgspec.Struct, gc=False):
    """generationConfig as far as the IR has it."""

    temperature: float | None = None
    topP: float | None = None
    topK: float | None = None
    candidateCount: int | None = None
    maxOutputTokens: int | None = None
    stopSequences: list[str] | None = None
    responseMimeType: str | None = None
    responseSchema: Raw = wire.NOTHING
    responseJsonSchema: Raw = wire.NOTHING
    seed: int | None = None
    presencePenalty: float | None = None
    frequencyPenalty: float | None = None
    responseLogprobs: bool | None = None
    logprobs: int | None = None
    thinkingConfig: wire.ThinkingConfig | None = None


# Lenient: proto3 JSON writes numbers as strings and whole numbers as floats, and so do SDKs.
_decode_config = msgspec.json.Decoder(_Config, strict=False).decode
_NAMED_BY_IR: Final = frozenset(_Config.__struct_fields__)


def configure(request: ir.Request, raw: Raw) -> dict[str, Raw]:
    """Take what the IR has of generationConfig; return what is left of it."""
    given = wire.in_camel_case(wire.decode_members(raw), _CONFIG, "`generationConfig`")
    config = _decode_config(msgspec.json.encode(given))
    request.sampling = ir.Sampling(
        max_tokens=config.maxOutputTokens,
        temperature=config.temperature,
        top_p=config.topP,
        top_k=None if config.topK is None else _whole(config.topK),
        n=config.candidateCount,
        seed=config.seed,
        presence_penalty=config.presencePenalty,
        frequency_penalty=config.frequencyPenalty,
        stop=config.stopSequences or [],
        logprobs=config.responseLogprobs,
        top_logprobs=config.logprobs,
    )
    left = {
        name: value
        for name, value in given.items()
        if name not in _NAMED_BY_IR and value != wire.NOTHING
    }
    if config.thinkingConfig is not None:
        request.reasoning = _thinking(config.thinkingConfig)
    request.response_format = _response_format(config)
    if config.responseJsonSchema != wire.NOTHING:
        left["responseJsonSchema"] = config.responseJsonSchema  # Gemini gets it as it was
    mime = config.responseMimeType
    if mime is not None and mime not in ("text/plain", "application/json"):
        left["responseMimeType"] = given["responseMimeType"]  # text/x.enum
    return left


def _whole(number: float) -> int:
    if number != number or abs(number) > 1 << 31:
        raise ir.FormatError("`generationConfig.topK` is out of range.", "generationConfig.topK")
    return int(number)


def _thinking(config: wire.ThinkingConfig) -> ir.ReasoningWish:
    level = (config.thinkingLevel or config.thinking_level or "").lower()
    budget = config.thinkingBudget if config.thinkingBudget is not None else config.thinking_budget
    shown = config.includeThoughts
    if shown is None:
        shown = config.include_thoughts
    effort = cast(ir.Effort, level) if level in get_args(ir.Effort) else None
    return ir.ReasoningWish(effort, None if effort else budget, shown)


def _response_format(config: _Config) -> ir.ResponseFormat | None:
    mime = config.responseMimeType
    wanted: Any = config.responseJsonSchema
    if wanted == wire.NOTHING and config.responseSchema != wire.NOTHING:
        read = msgspec.json.decode(config.responseSchema)
        wanted = Raw(msgspec.json.encode(expand(read)))
    if wanted != wire.NOTHING:
        return ir.ResponseFormat("json_schema", "answer", schema=wanted, strict=True)
    if mime == "application/json":
        return ir.ResponseFormat("json_object")
    return ir.ResponseFormat("text") if mime == "text/plain" else None


class ConfigWriter:
    """Writes the generationConfig of one request; what does not fit goes to `lose` by name.

    `instruction` then holds what has to be asked in words instead, "" where nothing has.
    """

    __slots__ = ("_lose", "_own", "_request", "_target", "_version", "instruction")

    def __init__(
        self, request: ir.Request, target: TargetModel, lose: Callable[[str], None]
    ) -> None:
        self._request = request
        self._target = target
        self._own = request.origin == FORMAT
        self._version = reasons.generation(target.model)
        self._lose = lose
        self.instruction = ""

    def written(self, extra: dict[str, Raw], *, has_functions: bool) -> dict[str, Any]:
        """The config; takes what is left of the origin's own out of `extra`."""
        sampling = self._request.sampling
        config: dict[str, Any] = {}
        self._clamped(config, "temperature", sampling.temperature, 0.0, 2.0, "temperature")
        self._clamped(config, "topP", sampling.top_p, 0.0, 1.0, "top_p")
        self._clamped(config, "presencePenalty", sampling.presence_penalty, -2.0, 2.0, "penalties")
        self._clamped(
            config, "frequencyPenalty", sampling.frequency_penalty, -2.0, 2.0, "penalties"
        )
        self._clamped(config, "candidateCount", sampling.n, 1, MAX_CANDIDATES, "n")
        if sampling.top_k is not None:
            config["topK"] = sampling.top_k
        if sampling.max_tokens is not None:
            most = self._target.max_output_tokens
            config["maxOutputTokens"] = (
                sampling.max_tokens if most is None else min(sampling.max_tokens, most)
            )
        if sampling.seed is not None:
            # An int32 here; the same seed still is the same number.
            fits = -(1 << 31) <= sampling.seed < 1 << 31
            config["seed"] = sampling.seed if fits else sampling.seed & 0x7FFFFFFF
        if sampling.stop:
            config["stopSequences"] = sampling.stop[:MAX_STOPS]
            if len(sampling.stop) > MAX_STOPS:
                self._lose("stop")
        if sampling.logprobs is not None:
            config["responseLogprobs"] = sampling.logprobs
        if sampling.top_logprobs is not None and (sampling.logprobs or self._own):
            config["logprobs"] = min(sampling.top_logprobs, MAX_TOP_LOGPROBS)
        thinking = self._thinking()
        if thinking:
            config["thinkingConfig"] = thinking
        left = extra.pop("generationConfig", None)
        kept = {} if left is None else msgspec.json.decode(left, type=dict[str, Raw])
        self._format(config, full_schema="responseJsonSchema" in kept, has_functions=has_functions)
        config.update(kept)
        return config

    def _clamped(
        self,
        config: dict[str, Any],
        name: str,
        value: float | None,
        low: float,
        high: float,
        feature: str,
    ) -> None:
        if value is None:
            return
        config[name] = value
        if not low <= value <= high and not self._own:
            config[name] = low if value < low else high
            self._lose(feature)

    def _thinking(self) -> dict[str, Any] | None:
        wish = self._request.reasoning
        if wish is None:
            return None
        made: dict[str, Any] = {}
        if self._own and not wish.imposed:
            if wish.effort is not None:
                made["thinkingLevel"] = wish.effort.upper()
            elif wish.budget_tokens is not None:
                made["thinkingBudget"] = wish.budget_tokens
            if wish.include is not None:
                made["includeThoughts"] = wish.include
            return made
        if wish.effort is None and wish.budget_tokens is None and not wish.include:
            return None
        model = reasons.thinking(self._target.model)
        off = wish.effort == "none" or (wish.effort is None and wish.budget_tokens == 0)
        unasked = wish.imposed == "anew"
        if model is None:
            if not off and not unasked:
                self._lose("reasoning_effort")
            return None
        if off and not model.can_be_off and not unasked:
            self._lose("reasoning_effort")
        if wish.effort is not None and model.levels:
            made["thinkingLevel"] = reasons.level(wish.effort, model)
        elif wish.effort is not None or wish.budget_tokens is not None:
            budget = wish.budget_tokens
            if wish.effort is not None:
                budget = BUDGET_TOKENS[wish.effort]
            if model.levels and off:
                made["thinkingLevel"] = reasons.level("none", model)
            else:
                made["thinkingBudget"] = model.budget(budget or 0)
        if wish.imposed and wish.include is None:
            return made  # thoughts are shown as they would have been
        if not off:
            made["includeThoughts"] = wish.include is not False
        return made

    def _format(self, config: dict[str, Any], *, full_schema: bool, has_functions: bool) -> None:
        wanted = self._request.response_format
        if wanted is None:
            return
        if wanted.kind == "text":
            if self._own:
                config["responseMimeType"] = "text/plain"
            return
        if (
            has_functions
            and not self._own
            and self._version is not None
            and self._version < _FIRST_WITH_JSON_AND_TOOLS
        ):
            self._lose("response_format")
            self.instruction = _in_words(wanted)
            return
        config["responseMimeType"] = "application/json"
        if wanted.kind == "json_schema" and not full_schema:
            document = decoded_schema(wanted.schema, "response_format")
            reduced = schema.reduce(document, ordered=True)
            if wanted.description and "description" not in reduced and "anyOf" not in reduced:
                reduced["description"] = wanted.description
            config["responseSchema"] = reduced


def decoded_schema(raw: Raw, feature: str) -> Any:
    """A schema as JSON. CannotCarry, by the feature's name, for what is none."""
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE as error:
        raise ir.CannotCarry(feature, f"a schema is not JSON: {error}") from None


def _in_words(wanted: ir.ResponseFormat) -> str:
    told = "Answer with one JSON object and nothing else, without a code fence."
    if wanted.kind == "json_object" or wanted.schema == ir.NULL:
        return told
    return f"{told} It matches this JSON Schema: {bytes(wanted.schema).decode()}"
