"""The IR into a request that a Claude model accepts.

What the target's model cannot do is decided by `models.traits`. A wish that cannot be met is a
loss; what the request depends on (audio, a file of another's store) is a CannotCarry.

Structured output: models from 4.5 on take a schema (`output_config.format`). Where model or schema
do not allow it, a tool of that schema is forced and its input read back as the answer
(`ANSWER_TOOL`); where tools of the client's own stand in the way, the schema becomes an
instruction, and the lost guarantee is named.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import custom_tools, ir
from omniroute.formats.base import TargetModel
from omniroute.formats.claude import schemas
from omniroute.formats.claude.contents import Block, Contents, text_block
from omniroute.formats.claude.effort import Room, room
from omniroute.formats.claude.identity import ANSWER_TOOL, ToolNames
from omniroute.formats.claude.models import Traits, traits
from omniroute.formats.claude.wire import FORMAT, NULL, cache_control

_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_encode = msgspec.json.Encoder().encode


def encode_request(request: ir.Request, target: TargetModel) -> ir.Encoded:
    """The body for a target, and what it leaves out. CannotCarry, FormatError (a broken schema)."""
    return _Encoding(request, target).encoded()


class _Encoding:
    def __init__(self, request: ir.Request, target: TargetModel) -> None:
        self._request = request
        self._target = target
        self._traits: Traits = traits(target.model)
        self._own = request.origin == FORMAT
        self._names = ToolNames([tool.name for tool in request.tools])
        self._contents = Contents(request.origin, self._names)
        self._lose = self._contents.lose

    def encoded(self) -> ir.Encoded:
        request = self._request
        body: dict[str, Any] = {"model": self._target.model}
        system = self._contents.blocks(request.system)
        messages, leading = self._contents.messages(
            request.messages, system_turns=self._traits.system_turns or self._own
        )
        system += leading
        tools = self._tools()
        choice, tools = self._tool_choice(tools)
        answer, forced_answer = self._answer_format(bool(tools), system)
        if forced_answer is not None:
            tools = [forced_answer]
            choice = {"type": "tool", "name": ANSWER_TOOL}
        if not messages:
            if not system:
                raise ir.CannotCarry("messages", "there is nothing to send")
            # A conversation of instructions alone: the service wants a turn to answer.
            messages, system = [{"role": "user", "content": system}], []
        fitted = room(
            request,
            self._traits,
            self._target.max_output_tokens,
            forced=choice is not None and choice["type"] in ("any", "tool"),
        )
        body["max_tokens"] = fitted.max_tokens
        if system:
            body["system"] = _system(system)
        body["messages"] = messages
        if tools:
            body["tools"] = tools
        if choice is not None:
            body["tool_choice"] = choice
        self._output(body, fitted, answer)
        self._sampling(body, fitted)
        self._rest(body)
        return ir.Encoded(_encode(body), list(self._contents.losses), self._names.mapped)

    # --- tools ----------------------------------------------------------------------------------

    def _tools(self) -> list[Block]:
        out: list[Block] = []
        for tool in self._request.tools:
            block = self._tool(tool)
            if block is not None:
                out.append(block)
        return out

    def _tool(self, tool: ir.Tool) -> Block | None:
        if tool.custom:
            described = tool.description or "Takes its input as plain text."
            return {
                "name": self._names.sent(tool.name),
                "description": described,
                "input_schema": custom_tools.SCHEMA,
            }
        if tool.kind != "function":
            if tool.origin == FORMAT:
                self._contents.marked = self._contents.marked or tool.cache is not None
                return tool.raw
            self._lose(f"tools.{tool.kind}")
            return None
        schema, lossy = schemas.tool_schema(tool.schema, f"tools.{tool.name}")
        if lossy and not self._own:
            self._lose("tools.schema")
        block: dict[str, object] = {"name": self._names.sent(tool.name)}
        if tool.description:
            block["description"] = tool.description
        block["input_schema"] = tool.schema if self._own and tool.schema != NULL else schema
        if tool.strict and (self._own or (self._traits.structured and schemas.is_narrow(schema))):
            block["strict"] = True
        elif tool.strict is False and self._own:
            block["strict"] = False
        elif tool.strict:
            self._lose("tools.strict")
        if self._own:
            block.update(tool.extra)
        if tool.cache is not None:
            block["cache_control"] = cache_control(tool.cache)
            self._contents.marked = True
        return block

    def _tool_choice(self, tools: list[Block]) -> tuple[dict[str, object] | None, list[Block]]:
        """The choice, and the tools it leaves: a list of allowed ones narrows what is offered."""
        wish = self._request.tool_choice
        if wish is None or not tools:
            return None, tools
        if wish.allowed:
            allowed = {self._names.sent(name) for name in wish.allowed}
            kept = [tool for tool in tools if not isinstance(tool, dict) or tool["name"] in allowed]
            tools = kept or tools
        choice: dict[str, object]
        match wish.mode:
            case "auto":
                choice = {"type": "auto"}
            case "required":
                choice = {"type": "any"}
            case "none":
                return {"type": "none"}, tools
            case "tool":
                choice = {"type": "tool", "name": self._names.sent(wish.name)}
        if wish.parallel is not None and (self._own or not wish.parallel):
            choice["disable_parallel_tool_use"] = not wish.parallel
        elif choice["type"] == "auto" and not self._own:
            return None, tools
        return choice, tools

    # --- the answer's form ----------------------------------------------------------------------

    def _answer_format(
        self, has_tools: bool, system: list[Block]
    ) -> tuple[dict[str, object] | None, Block | None]:
        """`output_config.format`, or the tool to force; an instruction is added to `system`."""
        wanted = self._request.response_format
        if wanted is None or wanted.kind == "text":
            return None, None
        if self._own:
            return {"type": "json_schema", "schema": wanted.schema}, None
        schema: schemas.Schema | None = None
        if wanted.kind == "json_schema" and wanted.schema != NULL:
            schema = schemas.parsed(wanted.schema, "response_format")
            if self._traits.structured:
                try:
                    narrow = schemas.answer_schema(schema)
                except schemas.Unclosed:
                    pass  # a tool's schema may be open, an answer's not
                else:
                    return {"type": "json_schema", "schema": narrow}, None
        is_object = schema is None or schema.get("type") == "object"
        if not has_tools and is_object:
            described = wanted.description or "Give the answer to the user by calling this tool."
            raw = Raw(b'{"type":"object"}') if schema is None else wanted.schema
            tool_schema, _ = schemas.tool_schema(raw, "response_format")
            return None, {
                "name": ANSWER_TOOL,
                "description": described,
                "input_schema": tool_schema,
            }
        self._lose("json_object" if schema is None else "json_schema")
        told = "Answer with one JSON value only: no other text, no code fence."
        if schema is not None:
            told += f" It has to fit this JSON schema:\n{_encode(schema).decode()}"
        system.append(text_block(told))
        return None, None

    def _output(self, body: dict[str, Any], fitted: Room, answer: dict[str, object] | None) -> None:
        if fitted.clamped:
            self._lose("max_tokens")
        wish = self._request.reasoning
        if fitted.lost and (wish is None or wish.imposed != "anew"):
            self._lose("reasoning_effort")
        if fitted.thinking is not None:
            body["thinking"] = fitted.thinking
        config: dict[str, object] = {}
        if self._own and "output_config" in self._request.extra:
            config = dict(
                msgspec.json.decode(self._request.extra["output_config"], type=dict[str, Raw])
            )
        if fitted.effort is not None:
            config["effort"] = fitted.effort
        if answer is not None:
            config["format"] = answer
        if config:
            body["output_config"] = config

    # --- the rest -------------------------------------------------------------------------------

    def _sampling(self, body: dict[str, Any], fitted: Room) -> None:
        sampling = self._request.sampling
        stops = [stop for stop in sampling.stop if stop.strip() or self._own]
        if len(stops) < len(sampling.stop):
            self._lose("stop")  # the service refuses sequences of white space
        if stops:
            body["stop_sequences"] = stops
        thinking = fitted.thinking
        # Thinking that this gateway asks for comes before a sampling that would forbid it.
        forbidden = isinstance(thinking, dict) and (
            thinking["type"] == "enabled" or (self._own and thinking["type"] == "adaptive")
        )
        allowed = not forbidden and (self._own or self._traits.sampling)
        temperature, top_p = sampling.temperature, sampling.top_p
        if temperature is not None:
            if not allowed:
                self._unless_default("temperature", temperature)
            else:
                body["temperature"] = self._clamped("temperature", temperature)
        if top_p is not None:
            beside = temperature is not None and not (self._own or self._traits.both_samplings)
            if beside or not allowed:
                self._unless_default("top_p", top_p)
            else:
                body["top_p"] = self._clamped("top_p", top_p)
        if sampling.top_k is not None:
            if allowed and sampling.top_k >= 0:
                body["top_k"] = sampling.top_k
            else:
                self._lose("top_k")
        if sampling.n is not None and sampling.n != 1:
            self._lose("n")
        if sampling.presence_penalty or sampling.frequency_penalty:
            self._lose("penalties")
        if sampling.seed is not None:
            self._lose("seed")
        if sampling.logprobs or sampling.top_logprobs:
            self._lose("logprobs")

    def _unless_default(self, name: str, value: float) -> None:
        """Leaving out the default changes nothing."""
        if value != 1:
            self._lose(name)

    def _clamped(self, name: str, value: float) -> float:
        if self._own or 0 <= value <= 1:
            return value
        self._lose(name)
        return min(max(value, 0.0), 1.0)

    def _rest(self, body: dict[str, Any]) -> None:
        request = self._request
        metadata: dict[str, str] = dict(request.metadata) if self._own else {}
        if request.user:
            metadata["user_id"] = request.user
        if metadata:
            body["metadata"] = metadata
        if request.metadata and not self._own:
            self._lose("metadata")
        if request.service_tier:
            tier = _TIERS.get(request.service_tier)
            if tier is not None:
                body["service_tier"] = tier
            elif self._own:
                body["service_tier"] = request.service_tier
            else:
                self._lose("service_tier")
        if request.verbosity and request.verbosity != "medium":
            self._lose("verbosity")
        if self._own:
            body.update(
                {name: raw for name, raw in request.extra.items() if name != "output_config"}
            )
        else:
            for name in request.extra:
                self._lose(name)
        if request.cache_key:
            if self._traits.auto_cache and not self._contents.marked:
                # The client counts on a cache that works by itself; here it has to be asked for.
                body["cache_control"] = {"type": "ephemeral"}
            elif not self._contents.marked:
                self._lose("prompt_cache_key")
        if request.stream:
            body["stream"] = True


def _system(blocks: list[Block]) -> object:
    if len(blocks) == 1 and isinstance(blocks[0], dict) and len(blocks[0]) == 2:
        return blocks[0]["text"]
    return blocks
