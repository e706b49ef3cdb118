"""The IR into a Responses request for an upstream of this format.

What this format lacks is named in the losses; audio, which a question may be about, is refused.
A request that came in another format is sent with `store: false`: this gateway refers to nothing
that a service keeps, and nobody asked for it to be kept.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.openai_chat.models import traits
from omniroute.formats.openai_responses import parts, wire
from omniroute.formats.openai_responses.request_decoding import ENCRYPTED, LOGPROBS
from omniroute.formats.openai_responses.tools_encoding import Tools
from omniroute.formats.openai_responses.wire import FORMAT
from omniroute.formats.thinking import effort_of, is_off

_MIN_OUTPUT_TOKENS: Final = 16  # the service refuses less
_MAX_CALL_ID_CHARS: Final = 64
_MAX_METADATA: Final = 16
_MAX_TOP_LOGPROBS: Final = 20
_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_TRUSTED_FILES: Final = frozenset({FORMAT, "openai"})  # one service, one store of files
_SCHEMA_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Json = dict[str, Any]


def encode_request(request: ir.Request, target: TargetModel) -> ir.Encoded:
    """CannotCarry for audio, and for files that only their origin can open."""
    return _Encoder(request, target).encoded()


class _Encoder:
    """One request's way out. `_losses` is ordered and without repetitions."""

    def __init__(self, request: ir.Request, target: TargetModel) -> None:
        self._request = request
        self._target = target
        self._native = request.origin == FORMAT
        self._losses: dict[str, None] = {}
        self._tools = Tools(request, self._lose)
        self._custom_calls: set[str] = set()

    def _lose(self, feature: str) -> None:
        self._losses[feature] = None

    def encoded(self) -> ir.Encoded:
        request = self._request
        body: Json = {"model": self._target.model}
        instructions = self._instructions()
        if instructions:
            body["instructions"] = instructions
        body["input"] = [item for message in request.messages for item in self._items(message)]
        body |= self._tools.members()
        self._put_sampling(body)
        self._put_reasoning(body)
        self._put_text(body)
        include = self._include()
        if include:
            body["include"] = include
        self._put_rest(body)
        return ir.Encoded(wire.dump(body), list(self._losses), self._tools.names)

    def _instructions(self) -> str:
        texts = []
        for part in self._request.system:
            if isinstance(part, ir.Text):
                texts.append(part.text)
                if part.cache is not None and not self._native:
                    self._lose("cache_control")
            elif isinstance(part, ir.Opaque):
                self._lose(f"parts.{part.kind}")
        return "\n\n".join(texts)

    # --- items -----------------------------------------------------------------------------------

    def _items(self, message: ir.Message) -> Iterator[Json | Raw]:
        if message.name:
            self._lose("messages.name")
        content: list[Json | Raw] = []
        reasoning: list[ir.Reasoning] = []
        role = message.role
        for part in message.parts:
            piece = self._content(part, role)
            if piece is not None:
                if reasoning:
                    yield self._reasoning(reasoning)
                    reasoning = []
                content.append(piece)
                continue
            if content:
                yield {"type": "message", "role": role, "content": content}
                content = []
            if isinstance(part, ir.Reasoning):
                if part.origin != FORMAT:
                    if part.text:
                        self._lose("reasoning_text")
                    continue
                if reasoning and (reasoning[0].id != part.id or not part.id):
                    yield self._reasoning(reasoning)
                    reasoning = []
                reasoning.append(part)
                continue
            if reasoning:
                yield self._reasoning(reasoning)
                reasoning = []
            item = self._item(part)
            if item is not None:
                yield item
        if reasoning:
            yield self._reasoning(reasoning)
        if content or not message.parts:
            yield {"type": "message", "role": role, "content": content}

    def _item(self, part: ir.Part) -> Json | Raw | None:
        match part:
            case ir.ToolCall():
                return self._call(part)
            case ir.ToolResult():
                return self._result(part)
            case ir.Opaque():
                if part.origin == FORMAT:
                    return part.raw
                self._lose(f"parts.{part.kind}")
            case _:
                pass
        return None

    def _reasoning(self, pieces: list[ir.Reasoning]) -> Json:
        item: Json = {"type": "reasoning", "summary": []}
        if pieces[0].id:
            item["id"] = pieces[0].id
        for piece in pieces:
            if not piece.text:
                continue
            if piece.summary:
                item["summary"].append({"type": "summary_text", "text": piece.text})
            else:
                text = {"type": "reasoning_text", "text": piece.text}
                item.setdefault("content", []).append(text)
        if pieces[-1].data:
            item["encrypted_content"] = pieces[-1].data
        return item

    def _call(self, call: ir.ToolCall) -> Json:
        item: Json = {"call_id": _call_id(call.id)}
        item |= self._tools.called(call.name)
        if call.custom:
            self._custom_calls.add(call.id)
            return {"type": "custom_tool_call", **item, "input": call.arguments}
        return {"type": "function_call", **item, "arguments": call.arguments or "{}"}

    def _result(self, result: ir.ToolResult) -> Json:
        custom = result.custom or result.call_id in self._custom_calls
        if result.is_error:
            self._lose("tool_result_error")
        output: str | list[Json | Raw]
        if all(isinstance(part, ir.Text) for part in result.parts) and len(result.parts) < 2:
            output = "".join(part.text for part in result.parts if isinstance(part, ir.Text))
        else:
            found = [self._content(part, "user") for part in result.parts]
            output = [piece for piece in found if piece is not None]
        return {
            "type": "custom_tool_call_output" if custom else "function_call_output",
            "call_id": _call_id(result.call_id),
            "output": output,
        }

    # --- content ---------------------------------------------------------------------------------

    def _content(self, part: ir.Part, role: ir.Role) -> Json | Raw | None:
        """A content part; None for what is no content of a message here."""
        spoken = role == "assistant"
        piece: Json
        match part:
            case ir.Text():
                if spoken:
                    cited = [found.raw for found in part.citations if found.origin == FORMAT]
                    return {"type": "output_text", "text": part.text, "annotations": cited}
                piece = {"type": "input_text", "text": part.text}
            case ir.Refusal():
                return {"type": "refusal", "refusal": part.text}
            case ir.Image():
                if spoken:
                    self._lose("image_data")
                    return None
                piece = _image(part)
                self._lose_extra("image", part.extra)
            case ir.File():
                if spoken:
                    self._lose("file")
                    return None
                piece = _file(part)
                self._lose_extra("file", part.extra)
            case ir.Audio():
                if spoken and part.transcript:
                    self._lose("audio_out")
                    return {"type": "output_text", "text": part.transcript, "annotations": []}
                raise ir.CannotCarry("audio_in", "this format takes no audio")
            case ir.Opaque() if part.kind.startswith(parts.CONTENT_KIND) and part.origin == FORMAT:
                return part.raw
            case _:
                return None
        if part.cache is not None:
            if self._native:
                piece["prompt_cache_breakpoint"] = _breakpoint(part.cache)
            else:
                self._lose("cache_control")
        return piece

    def _lose_extra(self, what: str, extra: Mapping[str, Raw]) -> None:
        """Members of the client's own format, which this codec never leaves in a part."""
        for name in extra:
            self._lose(f"parts.{what}.{name}")

    # --- the rest --------------------------------------------------------------------------------

    def _put_sampling(self, body: Json) -> None:
        sampling = self._request.sampling
        limit = sampling.max_tokens
        if limit is not None:
            most = self._target.max_output_tokens
            kept = max(limit, _MIN_OUTPUT_TOKENS)
            if most is not None:
                kept = min(kept, max(most, _MIN_OUTPUT_TOKENS))
            if kept != limit:
                self._lose("max_tokens")
            body["max_output_tokens"] = kept
        for name, value, most_allowed in (
            ("temperature", sampling.temperature, 2.0),
            ("top_p", sampling.top_p, 1.0),
        ):
            if value is not None:
                body[name] = min(max(value, 0.0), most_allowed)
                if body[name] != value:
                    self._lose(name)
        if sampling.top_logprobs is not None:
            body["top_logprobs"] = min(max(sampling.top_logprobs, 0), _MAX_TOP_LOGPROBS)
            if body["top_logprobs"] != sampling.top_logprobs:
                self._lose("top_logprobs")
        lost = {
            "top_k": sampling.top_k is not None,
            "n": (sampling.n or 1) > 1,
            "seed": sampling.seed is not None,
            "penalties": bool(sampling.presence_penalty or sampling.frequency_penalty),
            "stop": bool(sampling.stop),
        }
        for name, is_lost in lost.items():
            if is_lost:
                self._lose(name)

    def _put_reasoning(self, body: Json) -> None:
        wish = self._request.reasoning
        if wish is None:
            return
        out: Json = {}
        effort = self._imposed(wish) if wish.imposed else effort_of(wish)
        if not wish.imposed and wish.effort is None and is_off(wish) and not self._native:
            # Models that can do without do so by default; the others refuse to be told.
            self._lose("reasoning_effort")
            effort = None
        if effort is not None:
            out["effort"] = effort
        if wish.include:
            out["summary"] = "auto"
        for name, kept in wish.extra.items():
            if self._native:
                out[name] = kept
            else:
                self._lose(f"reasoning.{name}")
        if out:
            body["reasoning"] = out

    def _imposed(self, wish: ir.ReasoningWish) -> ir.Effort | None:
        """An effort of the gateway's own, as far as the model's name says that it takes one."""
        known = traits(self._target.model)
        if known.reasons is False or (known.reasons is None and wish.imposed == "anew"):
            if wish.imposed == "instead" and not is_off(wish):
                self._lose("reasoning_effort")
            return None
        effort = effort_of(wish)
        if effort == "none" and not known.turns_off:
            return "minimal" if known.reasons else None
        return "high" if effort == "xhigh" else effort

    def _put_text(self, body: Json) -> None:
        out: Json = {}
        wanted = self._request.response_format
        if wanted is not None:
            out["format"] = _format(wanted)
        if self._request.verbosity:
            out["verbosity"] = self._request.verbosity
        if out:
            body["text"] = out

    def _include(self) -> list[Any]:
        include: list[Any] = []
        wish = self._request.reasoning
        if wish is not None and wish.encrypted:
            include.append(ENCRYPTED)
        if self._request.sampling.logprobs:
            include.append(LOGPROBS)
        others = self._request.extra.get("include") if self._native else None
        if others is not None:
            include += wire.read(wire.read_raws, others, "include")
        return include

    def _put_rest(self, body: Json) -> None:
        request = self._request
        body["stream"] = request.stream
        if request.user:
            body["user"] = request.user
        if request.metadata:
            kept = dict(list(request.metadata.items())[:_MAX_METADATA])
            if len(kept) < len(request.metadata):
                self._lose("metadata")
            body["metadata"] = kept
        if request.cache_key:
            body["prompt_cache_key"] = request.cache_key
        if request.service_tier:
            if request.service_tier in _TIERS:
                body["service_tier"] = request.service_tier
            else:
                self._lose("service_tier")
        if not self._native:
            body["store"] = False
            for name in request.extra:
                self._lose(name)
            return
        for name, raw in request.extra.items():
            if name != "include":
                body[name] = raw


def _call_id(given: str) -> str:
    """The id as it is; a longer one than the service takes becomes a digest, always the same."""
    if len(given) <= _MAX_CALL_ID_CHARS:
        return given
    return "call_" + hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:32]


def _breakpoint(mark: ir.CacheMark) -> Json:
    out = {"mode": "explicit"}
    if mark.ttl == "1h":
        out["ttl"] = "12h"
    return out


def _image(image: ir.Image) -> Json:
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data}"
    piece: Json = {"type": "input_image", "image_url": url}
    if image.detail:
        piece["detail"] = image.detail
    return piece


def _file(file: ir.File) -> Json:
    piece: Json = {"type": "input_file"}
    if file.data:
        kind = file.media_type or "application/pdf"
        # The service wants a name with data, and reads the kind of document from it.
        ending = {"application/pdf": "pdf", "text/plain": "txt"}.get(kind, kind.rpartition("/")[2])
        piece["filename"] = file.filename or f"document.{ending}"
        piece["file_data"] = f"data:{kind};base64,{file.data}"
        return piece
    if file.url:
        piece["file_url"] = file.url
    elif file.file_id and file.origin in _TRUSTED_FILES:
        piece["file_id"] = file.file_id
    else:
        raise ir.CannotCarry("file_id", f"the file {file.file_id!r} is stored by {file.origin}")
    if file.filename:
        piece["filename"] = file.filename
    return piece


def _format(wanted: ir.ResponseFormat) -> Json:
    if wanted.kind != "json_schema":
        return {"type": wanted.kind}
    name = wanted.name if _SCHEMA_NAME.fullmatch(wanted.name) else "answer"
    out: Json = {"type": "json_schema", "name": name, "schema": wanted.schema}
    if wanted.schema == ir.NULL:
        return {"type": "json_object"}
    if wanted.description:
        out["description"] = wanted.description
    if wanted.strict is not None:
        out["strict"] = wanted.strict
    return out
