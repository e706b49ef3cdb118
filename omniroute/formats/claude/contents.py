"""Parts into content blocks, and turns into the messages that the service accepts.

What it demands: text that is more than white space; results first in the user turn right behind
their calls; a user turn first; images and documents in the types it reads; thinking blocks only
with Claude's own proof. Neighbours of one role are merged, as the service itself would do it.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.formats import custom_tools, ir
from omniroute.formats.claude.identity import ToolNames, call_id
from omniroute.formats.claude.wire import FORMAT, NULL, cache_control

Block = dict[str, object] | Raw

_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
# How the base64 of each image type begins, for data that comes without its type.
_IMAGE_STARTS: Final = {
    "iVBORw": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
OPENING: Final = "(The conversation begins with the answer below.)"
"""The user turn put before a conversation that begins with the model's."""


class Contents:
    """One request's parts as blocks; `losses` collects what stayed behind."""

    def __init__(self, origin: str, names: ToolNames) -> None:
        self._own = origin == FORMAT
        self._names = names
        self.losses: dict[str, None] = {}  # an ordered set
        self.marked = False  # a cache mark was written

    def lose(self, feature: str) -> None:
        self.losses[feature] = None

    def messages(
        self, messages: list[ir.Message], *, system_turns: bool
    ) -> tuple[list[dict[str, object]], list[Block]]:
        """The turns, and the blocks of instructions that stand before all of them."""
        leading: list[Block] = []
        turns: list[tuple[str, list[Block]]] = []
        for index, message in enumerate(messages):
            blocks = self.blocks(message.parts)
            role: str = message.role
            if role in ("system", "developer"):
                if not turns:
                    leading += blocks
                    continue
                following = messages[index + 1].role if index + 1 < len(messages) else "assistant"
                if system_turns and turns[-1][0] != "assistant" and following != "user":
                    role = "system"
                else:
                    # Where it stands counts more than its rank: a later instruction that moved to
                    # the front would also make every cached prefix void.
                    role = "user"
                    blocks = [_labelled(block) for block in blocks]
            if not blocks:
                continue
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(blocks)
            else:
                turns.append((role, blocks))
        if turns and turns[0][0] == "assistant":
            turns.insert(0, ("user", [text_block(OPENING)]))
        for role, blocks in turns:
            if role == "user":
                blocks.sort(key=_result_last)
        if turns and turns[-1][0] == "assistant":
            _without_trailing_space(turns[-1][1])
        return [
            {"role": role, "content": shortened(blocks)} for role, blocks in turns if blocks
        ], leading

    def blocks(self, parts: list[ir.Part]) -> list[Block]:
        out: list[Block] = []
        for part in parts:
            block = self._block(part)
            if block is not None:
                out.append(block)
        return out

    def _block(self, part: ir.Part) -> Block | None:
        match part:
            case ir.Text():
                return self._text(part)
            case ir.ToolCall():
                return self._marked(
                    {
                        "type": "tool_use",
                        "id": call_id(part.id),
                        "name": self._names.sent(part.name),
                        "input": call_input(part),
                    },
                    part.cache,
                )
            case ir.ToolResult():
                return self._result(part)
            case ir.Image():
                return self._image(part)
            case ir.File():
                return self._file(part)
            case ir.Reasoning():
                return self._reasoning(part)
            case ir.Refusal():
                return text_block(part.text) if part.text.strip() else None
            case ir.Audio():
                return self._audio(part)
            case ir.Opaque():
                if part.origin == FORMAT:
                    return part.raw
                self.lose(f"parts.{part.kind}")
                return None

    def _marked(self, block: dict[str, object], mark: ir.CacheMark | None) -> Block:
        if mark is not None:
            block["cache_control"] = cache_control(mark)
            self.marked = True
        return block

    def _text(self, part: ir.Text) -> Block | None:
        if not part.text.strip():
            return None
        block = text_block(part.text)
        own = [c.raw for c in part.citations if c.origin == FORMAT and c.raw != NULL]
        if own:
            block["citations"] = own
        return self._marked(block, part.cache)

    def _reasoning(self, part: ir.Reasoning) -> Block | None:
        if part.origin == FORMAT:
            if part.data:
                return {"type": "redacted_thinking", "data": part.data}
            if part.signature:
                return {
                    "type": "thinking",
                    "thinking": part.text,
                    "signature": part.signature,
                }
        # Without the proof that Claude wrote it, the service refuses the whole request.
        self.lose("reasoning_text")
        return None

    def _result(self, part: ir.ToolResult) -> Block:
        blocks: list[Block] = []
        for inner in part.parts:
            block = self._block(inner)
            if block is not None:
                blocks.append(block)
        out: dict[str, object] = {"type": "tool_result", "tool_use_id": call_id(part.call_id)}
        if blocks:
            out["content"] = shortened(blocks)
        if part.is_error:
            out["is_error"] = True
        return self._marked(out, part.cache)

    def _image(self, part: ir.Image) -> Block:
        if part.url:
            source: dict[str, object] = {"type": "url", "url": part.url}
        else:
            media_type = part.media_type.lower()
            if media_type == "image/jpg":
                media_type = "image/jpeg"
            if media_type not in _IMAGE_TYPES:
                starts = _IMAGE_STARTS.items()
                found = next((kind for start, kind in starts if part.data.startswith(start)), "")
                if not found:
                    raise ir.CannotCarry(
                        "image_data", f"{media_type or 'an unknown type'} is no type it reads"
                    )
                media_type = found
            source = {"type": "base64", "media_type": media_type, "data": part.data}
        return self._marked({"type": "image", "source": source, **self._extra(part)}, part.cache)

    def _extra(self, part: ir.Image | ir.File) -> dict[str, object]:
        if self._own:
            return dict(part.extra)
        return {}

    def _file(self, part: ir.File) -> Block:
        block: dict[str, object] = {"type": "document", "source": _file_source(part)}
        if part.filename:
            block["title"] = part.filename
        block.update(self._extra(part))
        return self._marked(block, part.cache)

    def _audio(self, part: ir.Audio) -> Block | None:
        if part.transcript:
            self.lose("audio_in")
            return self._text(ir.Text(part.transcript, part.cache))
        if part.id and not part.data:
            self.lose("audio_in")
            return None  # speech of the model's own, without its words
        raise ir.CannotCarry("audio_in", "Claude takes no audio")


def text_block(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def shortened(blocks: list[Block]) -> object:
    """A single plain text as a string, which means the same and every service understands."""
    if len(blocks) == 1:
        block = blocks[0]
        if isinstance(block, dict) and block.get("type") == "text" and len(block) == 2:
            return block["text"]
    return blocks


def _labelled(block: Block) -> Block:
    if isinstance(block, dict) and block.get("type") == "text":
        return {**block, "text": f"<system>\n{block['text']}\n</system>"}
    return block


def _result_last(block: Block) -> bool:
    """Sorts results to the front; the sort is stable."""
    return not (isinstance(block, dict) and block.get("type") == "tool_result")


def _without_trailing_space(blocks: list[Block]) -> None:
    """A prefill must not end in white space."""
    last = blocks[-1]
    if isinstance(last, dict) and last.get("type") == "text":
        last["text"] = str(last["text"]).rstrip()


def call_input(call: ir.ToolCall) -> Raw | dict[str, str]:
    """The input of a call: an object, whatever was written. Text that is none is kept as text."""
    if call.custom:
        return Raw(custom_tools.arguments_of(call.arguments).encode("utf-8", "replace"))
    if not call.arguments.strip():
        return Raw(b"{}")
    try:
        value = msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        return {"input": call.arguments}
    if not isinstance(value, dict):
        return {"input": call.arguments}
    return Raw(call.arguments.encode())


def _file_source(part: ir.File) -> dict[str, object]:
    if part.file_id:
        if part.origin != FORMAT:
            raise ir.CannotCarry("file_id", f"the file was uploaded to {part.origin or 'another'}")
        return {"type": "file", "file_id": part.file_id}
    media_type = part.media_type.partition(";")[0].strip().lower()
    if part.url:
        return {"type": "url", "url": part.url}
    if media_type == "application/pdf" or part.data.startswith("JVBERi"):
        return {"type": "base64", "media_type": "application/pdf", "data": part.data}
    if media_type.startswith("text/") or media_type in ("application/json", ""):
        try:
            text = b64decode(part.data, validate=True).decode()
        except (Base64Error, ValueError):
            raise ir.CannotCarry("file", "its data is no text in base64") from None
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise ir.CannotCarry("file", f"{media_type} is no type it reads")
