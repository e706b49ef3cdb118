"""The dialect of this format: passthrough, errors and lists (see `base.Dialect`)."""

from collections.abc import Sequence

from omniroute.errors import GatewayError
from omniroute.formats import conversation, faults, limit_headers, prompts, referring
from omniroute.formats.base import ModelEntry, PathFacts, Peek, UpstreamError
from omniroute.formats.openai_chat import counts, errors, lists, peeking
from omniroute.formats.openai_chat.sanitising import sanitise
from omniroute.formats.openai_chat.tap import SanitisingTap, StreamTap
from omniroute.formats.openai_chat.wire import DONE, FORMAT
from omniroute.usage import Usage


class OpenAIChatDialect:
    """Stateless."""

    format: str = FORMAT
    terminator = DONE

    def peek(self, body: bytes, path: PathFacts) -> Peek:
        return peeking.peek(body)

    def refers(self, body: bytes, peeked: Peek) -> bool:
        return referring.CHAT.found(body)

    def fingerprint(self, body: bytes, peeked: Peek) -> bytes:
        return conversation.fingerprint(body, conversation.of_messages)

    def upstream_path(self, url_path: str, model: str, *, stream: bool) -> str:
        return url_path

    def counting_path(self, url_path: str, model: str) -> str:
        return ""

    def counted(self, tokens: int) -> bytes:
        return b""

    def upstream_body(self, body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes:
        return peeking.upstream_body(body, peeked, model, ask_usage=ask_usage)

    def with_prompt(self, body: bytes, prefix: str, suffix: str) -> bytes | None:
        return prompts.with_prompt(body, prompts.CHAT, prefix, suffix)

    def tap(
        self,
        *,
        strip_usage: bool,
        max_event_bytes: int,
        sse: bool = True,
        sanitises: bool = False,
        model: str = "",
    ) -> StreamTap:
        kind = SanitisingTap if sanitises else StreamTap
        return kind(strip_usage=strip_usage, max_event_bytes=max_event_bytes)

    def sanitised(self, body: bytes) -> bytes:
        return sanitise(body)

    def answer_usage(self, body: bytes) -> Usage | None:
        return counts.answer_usage(body)

    def upstream_error(self, body: bytes) -> UpstreamError:
        return errors.upstream_error(body)

    def answer_fault(self, body: bytes) -> UpstreamError | None:
        return faults.chat_fault(body, errors.upstream_error)

    def error_body(self, error: GatewayError) -> bytes:
        return errors.error_body(error)

    def error_headers(self, error: GatewayError, now_ms: int) -> bytes:
        return limit_headers.openai_headers(error, now_ms)

    def error_event(self, error: GatewayError, *, sse: bool = True) -> bytes:
        return errors.error_event(error)

    def keepalive(self, *, sse: bool = True) -> bytes:
        return errors.keepalive()

    def stream_content_type(self, *, sse: bool = True) -> bytes:
        return b"text/event-stream"

    def model_list(self, entries: Sequence[ModelEntry]) -> bytes:
        return lists.model_list(entries)

    def model_entry(self, entry: ModelEntry) -> bytes:
        return lists.model_entry(entry)
