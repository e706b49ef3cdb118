"""The official SDKs behind one face: each is asked as its documentation says, and tells the same.

A conversation is a list of turns: a text of the user, an answer that came back (its turn goes back
as the SDK gave it, objects and all), or the results of its calls. What comes back is an `Answer`,
streamed or not; the SDK's own accumulators put streams together wherever it has some.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, NamedTuple, Protocol

import anthropic
import openai
import pydantic
from google import genai
from google.genai import errors, types

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOLS = {
    "read_file": {
        "type": "object",
        "properties": {"path": {"type": "string", "description": "Where"}},
        "required": ["path"],
    },
    "list_files": {
        "type": "object",
        "properties": {"folder": {"type": "string"}, "deep": {"type": "boolean"}},
        "required": ["folder"],
    },
}
MAX_TOKENS = 4096
WAIT_S = 30.0


class Person(pydantic.BaseModel):
    """What a structured answer is about."""

    name: str
    age: int
    nicknames: list[str]


class Call(NamedTuple):
    id: str
    name: str
    arguments: dict[str, Any]


class Counts(NamedTuple):
    """Tokens; reasoning is part of the output."""

    input: int
    output: int
    reasoning: int


class Answer(NamedTuple):
    text: str
    calls: list[Call]
    reasoning: str
    finish: str
    """In the dialect's own words."""
    counts: Counts
    model: str
    turn: Any
    """What goes back as the assistant's turn."""
    parsed: Any = None


class Results(NamedTuple):
    """The results of calls, in this order."""

    given: Sequence[tuple[Call, str]]


Turn = str | Answer | Results


class Wish(NamedTuple):
    """What a request asks for besides the conversation."""

    tools: bool = False
    picture: bool = False
    """Beside the first text."""
    reasoning: bool = False
    person: bool = False
    max_tokens: int = MAX_TOKENS


PLAIN = Wish()


class Sdk(Protocol):
    """One SDK against the gateway."""

    finishes: Mapping[str, str]
    """What the dialect calls it that an answer was over, called tools, or was cut at the limit."""
    error: type[Exception]
    """The SDK's base class of what a service may say."""
    by_status: Mapping[int, type[Exception]]

    def ask(
        self, model: str, turns: Sequence[Turn], wish: Wish = PLAIN, *, stream: bool
    ) -> Answer: ...

    def retry_after(self, error: Any) -> str: ...

    def message(self, error: Any) -> str: ...


class OpenAIChat:
    finishes: ClassVar = {"stop": "stop", "tools": "tool_calls", "length": "length"}
    error = openai.APIError
    by_status: ClassVar = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        503: openai.InternalServerError,
    }

    def __init__(self, url: str, key: str, stack: ExitStack) -> None:
        self.sdk = stack.enter_context(
            openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=WAIT_S)
        )

    def ask(self, model: str, turns: Sequence[Turn], wish: Wish = PLAIN, *, stream: bool) -> Answer:
        messages: list[Any] = []
        for turn in turns:
            if isinstance(turn, Answer):
                messages.append(turn.turn)
            elif isinstance(turn, Results):
                messages += [
                    {"role": "tool", "tool_call_id": call.id, "content": text}
                    for call, text in turn.given
                ]
            else:
                messages.append({"role": "user", "content": self._user(turn, wish, messages)})
        asked: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "max_tokens": wish.max_tokens,
        }
        if wish.tools:
            asked["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": schema}}
                for name, schema in TOOLS.items()
            ]
        if wish.reasoning:
            asked["reasoning_effort"] = "low"
        if wish.person:
            asked["response_format"] = Person
        if stream:
            usage = {"include_usage": True}
            with self.sdk.chat.completions.stream(**asked, stream_options=usage) as events:
                for _ in events:
                    pass
                try:
                    completion = events.get_final_completion()
                except openai.LengthFinishReasonError as error:
                    completion = error.completion
        elif wish.person:
            completion = self.sdk.chat.completions.parse(**asked)
        else:
            completion = self.sdk.chat.completions.create(**asked)
        (choice,) = completion.choices
        message = choice.message
        usage = completion.usage
        return Answer(
            message.content or "",
            [
                Call(call.id, call.function.name, json.loads(call.function.arguments))
                for call in message.tool_calls or []
            ],
            getattr(message, "reasoning_content", None) or "",
            choice.finish_reason,
            Counts(
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.completion_tokens_details.reasoning_tokens,
            ),
            completion.model,
            message,
            getattr(message, "parsed", None),
        )

    def _user(self, text: str, wish: Wish, before: list[Any]) -> Any:
        if not wish.picture or before:
            return text
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        return [
            {"type": "text", "text": text},
            {"type": "image_url", "image_url": {"url": url}},
        ]

    def retry_after(self, error: Any) -> str:
        return error.response.headers["retry-after"]

    def message(self, error: Any) -> str:
        return error.message


class OpenAIResponses(OpenAIChat):
    finishes: ClassVar = {"stop": "completed", "tools": "completed", "length": "incomplete"}

    def ask(self, model: str, turns: Sequence[Turn], wish: Wish = PLAIN, *, stream: bool) -> Answer:
        items: list[Any] = []
        for turn in turns:
            if isinstance(turn, Answer):
                items += turn.turn
            elif isinstance(turn, Results):
                items += [
                    {"type": "function_call_output", "call_id": call.id, "output": text}
                    for call, text in turn.given
                ]
            else:
                items.append({"role": "user", "content": self._user(turn, wish, items)})
        asked: dict[str, Any] = {
            "model": model,
            "input": items,
            "max_output_tokens": wish.max_tokens,
            "store": False,
        }
        if wish.tools:
            asked["tools"] = [
                {"type": "function", "name": name, "parameters": schema, "strict": False}
                for name, schema in TOOLS.items()
            ]
        if wish.reasoning:
            asked["reasoning"] = {"effort": "low", "summary": "auto"}
            asked["include"] = ["reasoning.encrypted_content"]
        if wish.person:
            asked["text_format"] = Person
        if stream:
            with self.sdk.responses.stream(**asked) as events:
                seen = list(events)
                assert seen[0].type == "response.created"
                # The accumulator knows complete answers only.
                is_cut = seen[-1].type == "response.incomplete"
                response = seen[-1].response if is_cut else events.get_final_response()
        elif wish.person:
            response = self.sdk.responses.parse(**asked)
        else:
            response = self.sdk.responses.create(**asked)
        usage = response.usage
        return Answer(
            response.output_text,
            [
                Call(item.call_id, item.name, json.loads(item.arguments))
                for item in response.output
                if item.type == "function_call"
            ],
            "".join(
                piece.text
                for item in response.output
                if item.type == "reasoning"
                for piece in [*item.summary, *(item.content or [])]
            ),
            response.status,
            Counts(
                usage.input_tokens,
                usage.output_tokens,
                usage.output_tokens_details.reasoning_tokens,
            ),
            response.model,
            response.output,
            getattr(response, "output_parsed", None),
        )

    def _user(self, text: str, wish: Wish, before: list[Any]) -> Any:
        if not wish.picture or before:
            return text
        url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        return [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url}]


class Claude:
    finishes: ClassVar = {"stop": "end_turn", "tools": "tool_use", "length": "max_tokens"}
    error = anthropic.APIError
    by_status: ClassVar = {
        400: anthropic.BadRequestError,
        401: anthropic.AuthenticationError,
        403: anthropic.PermissionDeniedError,
        404: anthropic.NotFoundError,
        429: anthropic.RateLimitError,
        500: anthropic.InternalServerError,
        503: anthropic.InternalServerError,
    }

    def __init__(self, url: str, key: str, stack: ExitStack) -> None:
        self.sdk = stack.enter_context(
            anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=WAIT_S)
        )

    def ask(self, model: str, turns: Sequence[Turn], wish: Wish = PLAIN, *, stream: bool) -> Answer:
        messages: list[Any] = []
        for turn in turns:
            if isinstance(turn, Answer):
                messages.append({"role": "assistant", "content": turn.turn})
            elif isinstance(turn, Results):
                results = [
                    {"type": "tool_result", "tool_use_id": call.id, "content": text}
                    for call, text in turn.given
                ]
                messages.append({"role": "user", "content": results})
            else:
                messages.append({"role": "user", "content": self._user(turn, wish, messages)})
        asked: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "max_tokens": wish.max_tokens,
        }
        if wish.tools:
            asked["tools"] = [
                {"name": name, "input_schema": schema} for name, schema in TOOLS.items()
            ]
        if wish.reasoning:
            asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if wish.person:
            asked["output_format"] = Person
        if stream:
            with self.sdk.messages.stream(**asked) as events:
                for _ in events:
                    pass
                message = events.get_final_message()
        elif wish.person:
            message = self.sdk.messages.parse(**asked)
        else:
            message = self.sdk.messages.create(**asked)
        usage = message.usage
        details = usage.output_tokens_details
        return Answer(
            "".join(block.text for block in message.content if block.type == "text"),
            [
                Call(block.id, block.name, block.input)
                for block in message.content
                if block.type == "tool_use"
            ],
            "".join(block.thinking for block in message.content if block.type == "thinking"),
            message.stop_reason,
            Counts(
                usage.input_tokens
                + (usage.cache_read_input_tokens or 0)
                + (usage.cache_creation_input_tokens or 0),
                usage.output_tokens,
                (details.thinking_tokens or 0) if details else 0,
            ),
            message.model,
            message.content,
            getattr(message, "parsed_output", None),
        )

    def _user(self, text: str, wish: Wish, before: list[Any]) -> Any:
        if not wish.picture or before:
            return text
        source = {
            "type": "base64",
            "media_type": "image/png",
            "data": base64.b64encode(PNG).decode(),
        }
        return [{"type": "image", "source": source}, {"type": "text", "text": text}]

    def retry_after(self, error: Any) -> str:
        return error.response.headers["retry-after"]

    def message(self, error: Any) -> str:
        return error.message


class Gemini:
    finishes: ClassVar = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS"}
    error = errors.APIError
    by_status: ClassVar = {
        **dict.fromkeys((400, 401, 403, 404, 429), errors.ClientError),
        **dict.fromkeys((500, 503), errors.ServerError),
    }

    def __init__(self, url: str, key: str, stack: ExitStack) -> None:
        options = types.HttpOptions(base_url=url, timeout=int(WAIT_S * 1000))
        self.sdk = stack.enter_context(genai.Client(api_key=key, http_options=options))

    def ask(self, model: str, turns: Sequence[Turn], wish: Wish = PLAIN, *, stream: bool) -> Answer:
        contents: list[Any] = []
        for turn in turns:
            if isinstance(turn, Answer):
                contents.append(turn.turn)
            elif isinstance(turn, Results):
                parts = [
                    types.Part(
                        function_response=types.FunctionResponse(
                            id=call.id, name=call.name, response={"output": text}
                        )
                    )
                    for call, text in turn.given
                ]
                contents.append(types.Content(role="user", parts=parts))
            else:
                parts = [types.Part(text=turn)]
                if wish.picture and not contents:
                    parts.append(types.Part.from_bytes(data=PNG, mime_type="image/png"))
                contents.append(types.Content(role="user", parts=parts))
        config = types.GenerateContentConfig(max_output_tokens=wish.max_tokens)
        if wish.tools:
            config.tools = [
                types.Tool(
                    function_declarations=[
                        types.FunctionDeclaration(name=name, parameters_json_schema=schema)
                        for name, schema in TOOLS.items()
                    ]
                )
            ]
        if wish.reasoning:
            config.thinking_config = types.ThinkingConfig(
                thinking_budget=1024, include_thoughts=True
            )
        if wish.person:
            config.response_mime_type = "application/json"
            config.response_schema = Person
        asked: dict[str, Any] = {"model": model, "contents": contents, "config": config}
        if stream:
            chunks = list(self.sdk.models.generate_content_stream(**asked))
        else:
            chunks = [self.sdk.models.generate_content(**asked)]
        last = chunks[-1]
        usage = last.usage_metadata
        reasoning = usage.thoughts_token_count or 0
        # The SDK has no accumulator: its users collect the parts.
        parts = [
            part
            for chunk in chunks
            for candidate in chunk.candidates or []
            for part in (candidate.content.parts if candidate.content else None) or []
        ]
        assert usage.total_token_count == (
            usage.prompt_token_count + (usage.candidates_token_count or 0) + reasoning
        )
        text = "".join(part.text or "" for part in parts if not part.thought)
        return Answer(
            text,
            [
                Call(part.function_call.id, part.function_call.name, part.function_call.args)
                for part in parts
                if part.function_call
            ],
            "".join(part.text or "" for part in parts if part.thought),
            last.candidates[0].finish_reason.value,
            Counts(
                usage.prompt_token_count,
                (usage.candidates_token_count or 0) + reasoning,
                reasoning,
            ),
            last.model_version,
            types.Content(role="model", parts=parts),
            (Person.model_validate_json(text) if stream else last.parsed) if wish.person else None,
        )

    def retry_after(self, error: Any) -> str:
        return error.response.headers["retry-after"]

    def message(self, error: Any) -> str:
        return error.message


SDKS = {
    "openai": OpenAIChat,
    "openai-responses": OpenAIResponses,
    "claude": Claude,
    "gemini": Gemini,
}
