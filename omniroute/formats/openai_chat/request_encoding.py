"""The IR into a request of this format, for OpenAI's own service or one that is compatible.

Compatible services know less than OpenAI's, and each something else, so what goes out is what all
of them take, unless a quirk of the provider says more (`QUIRKS`). A request that came in this
same format keeps its own members and words.

What is mapped: developer to system; images and files in tool results to a user message behind the
results (tool messages hold text only); errors of tools to text; a narrowed tool choice to a
narrowed list of tools; more than four stop sequences to the first four.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import TargetModel
from omniroute.formats.openai_chat import tools
from omniroute.formats.openai_chat.message_encoding import Messages
from omniroute.formats.openai_chat.models import Traits, traits
from omniroute.formats.openai_chat.wire import FORMAT, OWN_FAMILY
from omniroute.formats.quirks import CHAT_QUIRKS, OPENAI_ITSELF
from omniroute.formats.thinking import DYNAMIC, effort_of, is_off

QUIRKS: Final = CHAT_QUIRKS
"""Quirks of a provider that this encoder knows, and what they mean."""

MAX_STOPS: Final = 4
MAX_TOP_LOGPROBS: Final = 20

_encode = msgspec.json.Encoder().encode
_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_PLAIN_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium"}


def encode_request(request: ir.Request, target: TargetModel) -> ir.Encoded:
    """The body for a target, and what it leaves out. CannotCarry, FormatError (a broken schema)."""
    encoding = _Encoding(request, target)
    try:
        body = _encode(encoding.body())
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise ir.FormatError(f"the request cannot be written as JSON: {error}") from None
    return ir.Encoded(body, sorted(encoding.losses), encoding.names.mapped)


class _Encoding:
    def __init__(self, request: ir.Request, target: TargetModel) -> None:
        self._request = request
        self._target = target
        self._quirks = target.quirks
        self._own = request.origin == FORMAT
        self._itself = OPENAI_ITSELF in target.quirks
        self._traits: Traits = traits(target.model)
        self.losses: set[str] = set()
        self.names = tools.Names(request.tools)
        self._tail: list[str] = []  # instructions of our own

    def body(self) -> dict[str, Any]:
        request = self._request
        out: dict[str, Any] = {"model": self._target.model, "messages": []}
        self._sampling(out)
        self._tools(out)
        self._response_format(out)
        self._reasoning(out)
        self._identity(out)
        if request.stream:
            out["stream"] = True
            if "no-stream-options" not in self._quirks:
                out["stream_options"] = {"include_usage": True}
        out["messages"] = Messages(
            request, self._quirks, self.names, self.losses, tail=self._tail
        ).encoded()
        if not out["messages"]:
            raise ir.CannotCarry("messages", "there is nothing to send")
        self._extra(out)
        return out

    def _sampling(self, out: dict[str, Any]) -> None:
        given = self._request.sampling
        limit = given.max_tokens
        ceiling = self._target.max_output_tokens
        if limit is not None:
            if ceiling is not None and limit > ceiling:
                self.losses.add("max_tokens")
                limit = ceiling
            out[self._limit_name()] = limit
        drops = self._traits.reasons is True and not self._own
        for name, value, low, high in (
            ("temperature", given.temperature, 0.0, 2.0),
            ("top_p", given.top_p, 0.0, 1.0),
            ("presence_penalty", given.presence_penalty, -2.0, 2.0),
            ("frequency_penalty", given.frequency_penalty, -2.0, 2.0),
        ):
            if value is None:
                continue
            neutral = 1.0 if high != -low else 0.0
            if drops:
                if value != neutral:
                    self.losses.add(name)
                continue
            kept = value if self._own else min(max(value, low), high)
            if kept != value:
                self.losses.add(name)
            out[name] = kept
        if given.top_k is not None:
            if self._own or "top-k" in self._quirks:
                out["top_k"] = given.top_k
            else:
                self.losses.add("top_k")
        if given.n is not None and (given.n != 1 or self._own):
            out["n"] = given.n
        if given.seed is not None:
            out["seed"] = given.seed
        if given.stop:
            if drops:
                self.losses.add("stop")
            else:
                self._stop(out, given.stop)
        if given.logprobs is not None or given.top_logprobs is not None:
            self._logprobs(out, given, drops=drops)

    def _limit_name(self) -> str:
        if "max-tokens" in self._quirks:
            return "max_tokens"
        renamed = "max-completion-tokens" in self._quirks or self._traits.reasons is True
        return "max_completion_tokens" if renamed else "max_tokens"

    def _stop(self, out: dict[str, Any], stop: list[str]) -> None:
        if len(stop) > MAX_STOPS and not self._own:
            self.losses.add("stop")
            stop = stop[:MAX_STOPS]
        out["stop"] = stop

    def _logprobs(self, out: dict[str, Any], given: ir.Sampling, *, drops: bool) -> None:
        if drops:
            self.losses.add("logprobs")
            return
        wanted = given.logprobs
        if wanted is None and not self._own:
            wanted = True
        if wanted is not None:
            out["logprobs"] = wanted
        if given.top_logprobs is not None:
            top = given.top_logprobs
            out["top_logprobs"] = top if self._own else min(max(top, 0), MAX_TOP_LOGPROBS)

    def _tools(self, out: dict[str, Any]) -> None:
        choice = self._request.tool_choice
        native_allowed = self._itself or self._own
        offered = self._request.tools
        if choice is not None and choice.allowed and not native_allowed:
            offered = [tool for tool in offered if tool.name in choice.allowed]
        definitions: list[Any] = []
        for tool in offered:
            definition = self._definition(tool)
            if definition is not None:
                definitions.append(definition)
        if not definitions:
            if choice is not None and choice.mode in ("required", "tool") and offered:
                raise ir.CannotCarry("tool_choice", "none of the tools is known here")
            return
        out["tools"] = definitions
        if choice is None:
            return
        if choice.mode == "tool":
            out["tool_choice"] = self._named(choice.name)
        elif choice.allowed and native_allowed:
            named = [self._named(name) for name in choice.allowed]
            allowed = {"mode": choice.mode, "tools": named}
            out["tool_choice"] = {"type": "allowed_tools", "allowed_tools": allowed}
        elif choice.mode != "auto" or choice.parallel is None:
            out["tool_choice"] = choice.mode
        if choice.parallel is not None:
            out["parallel_tool_calls"] = choice.parallel

    def _definition(self, tool: ir.Tool) -> dict[str, Any] | Raw | None:
        if tool.custom:
            if self._itself or self._own:
                return tools.custom_out(tool, self.names.sent(tool.name))
            return tools.free_form_out(tool, self.names.sent(tool.name))
        if tool.kind == "function":
            if tool.cache is not None:
                self.losses.add("cache_control")
            return tools.definition_out(tool, self.names.sent(tool.name))
        if tool.origin == FORMAT:
            return tool.raw
        self.losses.add(f"tools.{tool.kind}")
        return None

    def _named(self, name: str) -> dict[str, Any]:
        custom = any(tool.custom and tool.name == name for tool in self._request.tools)
        kind = "custom" if custom and (self._itself or self._own) else "function"
        return {"type": kind, kind: {"name": self.names.sent(name)}}

    def _response_format(self, out: dict[str, Any]) -> None:
        wanted = self._request.response_format
        if wanted is None:
            return
        if wanted.kind == "text":
            if self._own:
                out["response_format"] = {"type": "text"}
            return
        if wanted.kind == "json_schema" and "json-object-only" not in self._quirks:
            schema: dict[str, Any] = {"name": _schema_name(wanted.name)}
            if wanted.description:
                schema["description"] = wanted.description
            if wanted.schema != ir.NULL:
                schema["schema"] = wanted.schema
            if wanted.strict is not None:
                schema["strict"] = wanted.strict
            out["response_format"] = {"type": "json_schema", "json_schema": schema}
            return
        out["response_format"] = {"type": "json_object"}
        if wanted.kind == "json_schema":
            self.losses.add("json_schema")
            schema_text = bytes(wanted.schema).decode()
            self._tail.append(
                f"Answer with a JSON object that fits this JSON Schema: {schema_text}"
            )
        elif not self._own:
            # The service refuses json_object unless some message speaks of JSON.
            self._tail.append("Answer with a JSON object.")

    def _reasoning(self, out: dict[str, Any]) -> None:
        wish = self._request.reasoning
        if wish is None:
            return
        if self._own and not wish.imposed and wish.effort is not None:
            out["reasoning_effort"] = wish.effort
            return
        off = is_off(wish)
        effort = effort_of(wish)
        if "thinking-switch" in self._quirks:
            out["thinking"] = {"type": "disabled" if off else "enabled"}
            return
        if "enable-thinking" in self._quirks:
            out["enable_thinking"] = not off
            if wish.budget_tokens is not None and wish.budget_tokens > 0:
                out["thinking_budget"] = wish.budget_tokens
            return
        if wish.budget_tokens == DYNAMIC or effort is None:
            return  # the model decides, as it does unasked
        unasked = wish.imposed == "anew"
        if unasked and self._traits.reasons is None:
            return  # nobody has said that this model knows efforts, and others refuse them
        if self._traits.reasons is False or "no-reasoning-effort" in self._quirks:
            if not off and not unasked:
                self.losses.add("reasoning_effort")
            return
        own_words = self._request.origin in OWN_FAMILY and not wish.imposed
        if off and not own_words:
            if self._traits.turns_off:
                out["reasoning_effort"] = "none"
            elif self._traits.reasons:
                out["reasoning_effort"] = "minimal"
            else:
                self.losses.add("reasoning_effort")
            return
        if own_words:
            out["reasoning_effort"] = effort
        else:
            out["reasoning_effort"] = _PLAIN_EFFORTS.get(effort, "high")

    def _identity(self, out: dict[str, Any]) -> None:
        request = self._request
        if request.user:
            out["user"] = request.user
        ours = self._itself or self._own
        if request.metadata:
            if ours:
                out["metadata"] = request.metadata
            else:
                self.losses.add("metadata")
        if request.cache_key:
            if ours:
                out["prompt_cache_key"] = request.cache_key
            else:
                self.losses.add("prompt_cache_key")
        if request.verbosity:
            if self._own or (self._itself and self._traits.reasons is not False):
                out["verbosity"] = request.verbosity
            else:
                self.losses.add("verbosity")
        if request.service_tier:
            known = request.service_tier in _TIERS and request.origin in OWN_FAMILY
            if self._own or (known and self._itself):
                out["service_tier"] = request.service_tier
            elif request.service_tier != "auto":
                self.losses.add("service_tier")

    def _extra(self, out: dict[str, Any]) -> None:
        for name, raw in self._request.extra.items():
            if not self._own or (name == "store" and not self._itself):
                self.losses.add(name)
            elif name not in out:
                out[name] = raw


def _schema_name(name: str) -> str:
    plain = "".join(
        char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in name
    )
    return plain[:64] or "answer"
