"""The messages of a request in this format: roles, contents, calls and their results.

Texts of one message are joined into a string for services that know no lists, unless the request
came in this format or a part is no text. How they are joined: instructions and a user's texts by a
blank line, the pieces of an assistant's text by nothing, since they are pieces.
"""

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

from omniroute.formats import ir
from omniroute.formats.openai_chat import tools
from omniroute.formats.openai_chat.reasoning import detail_of
from omniroute.formats.openai_chat.wire import FORMAT, data_url
from omniroute.formats.quirks import OPENAI_ITSELF

_AUDIO_FORMATS: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
_EXTENSIONS: Final = {"application/pdf": "pdf", "application/json": "json"}
INSTRUCTIONS_LABEL: Final = "Instructions:"


class Messages:
    """One request's messages; what they cannot carry goes into `losses`."""

    def __init__(
        self,
        request: ir.Request,
        quirks: frozenset[str],
        names: tools.Names,
        losses: set[str],
        *,
        tail: Sequence[str],
    ) -> None:
        self._request = request
        self._quirks = quirks
        self._names = names
        self._losses = losses
        self._tail = tail
        self._own = request.origin == FORMAT
        self._takes_custom = self._own or OPENAI_ITSELF in quirks
        self._keeps_proofs = "reasoning-details" in quirks or (
            self._own and OPENAI_ITSELF not in quirks  # it refuses members that it does not know
        )
        self._marks_cache = self._own or "cache-control" in quirks

    def encoded(self) -> list[dict[str, Any]]:
        request = self._request
        out: list[dict[str, Any]] = []
        system = list(request.system) + [ir.Text(text) for text in self._tail]
        if system:
            out.append({"role": "system", "content": self._content(system, "\n\n")})
        for message in request.messages:
            if message.role == "assistant":
                out.append(self._assistant(message))
            elif message.role == "user":
                self._user(message, out)
            else:
                role = message.role if self._keeps_developer() else "system"
                entry = {"role": role, "content": self._content(message.parts, "\n\n")}
                out.append(self._named(entry, message))
        return self._without_system(out) if "system-to-user" in self._quirks else out

    def _keeps_developer(self) -> bool:
        return OPENAI_ITSELF in self._quirks

    def _named(self, entry: dict[str, Any], message: ir.Message) -> dict[str, Any]:
        if message.name:
            if self._own:
                entry["name"] = message.name
            else:
                self._losses.add("messages.name")
        return entry

    def _user(self, message: ir.Message, out: list[dict[str, Any]]) -> None:
        results = [part for part in message.parts if isinstance(part, ir.ToolResult)]
        rest = [part for part in message.parts if not isinstance(part, ir.ToolResult)]
        behind: list[ir.Part] = []
        for result in results:
            out.append(self._result(result, behind))
        behind += rest
        if behind or not results:
            content = self._content(behind, "\n\n")
            out.append(self._named({"role": "user", "content": content}, message))

    def _result(self, result: ir.ToolResult, behind: list[ir.Part]) -> dict[str, Any]:
        """The tool message; what it cannot hold is put into `behind`."""
        id_ = tools.call_id(result.call_id, self._quirks)
        texts = [part.text for part in result.parts if isinstance(part, ir.Text)]
        others = [part for part in result.parts if not isinstance(part, ir.Text)]
        if others:
            texts.append("(What else the tool returned follows in the next user message.)")
            behind.append(ir.Text(f"Returned by tool call {id_}:"))
            behind += others
        text = "\n".join(texts)
        if result.is_error and not text[:10].lower().startswith("error"):
            text = f"Error: {text}"
        if result.cache is not None:
            self._losses.add("cache_control")
        return {"role": "tool", "tool_call_id": id_, "content": text}

    def _assistant(self, message: ir.Message) -> dict[str, Any]:
        content: list[ir.Part] = []
        calls: list[dict[str, Any]] = []
        thoughts: list[ir.Reasoning] = []
        entry: dict[str, Any] = {"role": "assistant", "content": ""}
        for part in message.parts:
            match part:
                case ir.ToolCall():
                    name = self._names.sent(part.name)
                    if part.signature and not self._keeps_proofs:
                        self._losses.add("reasoning_signature")
                    calls.append(
                        tools.call_out(
                            part,
                            name,
                            tools.call_id(part.id, self._quirks),
                            as_function=not self._takes_custom,
                            signed=self._keeps_proofs,
                        )
                    )
                case ir.Reasoning():
                    thoughts.append(part)
                case ir.Refusal():
                    entry["refusal"] = entry.get("refusal", "") + part.text
                case ir.Audio():
                    self._speech(part, entry, content)
                case _:
                    content.append(part)
        if content:
            entry["content"] = self._content(content, "")
        elif calls or "refusal" in entry or "audio" in entry:
            entry["content"] = None
        if calls:
            entry["tool_calls"] = calls
        self._reasoning(thoughts, entry)
        return self._named(entry, message)

    def _speech(self, part: ir.Audio, entry: dict[str, Any], content: list[ir.Part]) -> None:
        if part.id and part.origin == FORMAT:
            entry["audio"] = {"id": part.id}
        elif part.transcript:
            content.append(ir.Text(part.transcript))
        else:
            self._losses.add("audio_in")

    def _reasoning(self, thoughts: list[ir.Reasoning], entry: dict[str, Any]) -> None:
        if "no-reasoning-history" in self._quirks or OPENAI_ITSELF in self._quirks:
            if thoughts:
                self._losses.add("reasoning_text")
            return
        text = "\n\n".join(part.text for part in thoughts if part.text)
        if text or ("reasoning-required" in self._quirks and "tool_calls" in entry):
            entry["reasoning_content"] = text
        if self._keeps_proofs:
            details = [detail_of(part, at) for at, part in enumerate(thoughts)]
            proofs = [detail for detail in details if detail is not None]
            if proofs:
                entry["reasoning_details"] = proofs
        elif any(part.signature or part.data for part in thoughts):
            self._losses.add("reasoning_signature")

    def _content(self, parts: Sequence[ir.Part], separator: str) -> str | list[Any]:
        parts = [_as_text(part) for part in parts]
        texts = [part for part in parts if isinstance(part, ir.Text)]
        marked = any(part.cache is not None for part in texts)
        listed = self._own and len(parts) > 1
        if len(texts) == len(parts) and not listed and not (marked and self._marks_cache):
            if marked:
                self._losses.add("cache_control")
            return separator.join([part.text for part in texts])
        out: list[Any] = []
        for part in parts:
            shown = self._part(part)
            if shown is not None:
                out.append(shown)
        return out or ""

    def _part(self, part: ir.Part) -> Any:
        match part:
            case ir.Text():
                shown: dict[str, Any] = {"type": "text", "text": part.text}
            case ir.Image():
                image = {"url": data_url(part.media_type, part.data) if part.data else part.url}
                if part.detail:
                    image["detail"] = part.detail
                shown = {"type": "image_url", "image_url": image}
            case ir.Audio():
                kind = part.media_type.partition(";")[0].rpartition("/")[2] or "wav"
                audio = {"data": part.data, "format": _AUDIO_FORMATS.get(kind, kind)}
                shown = {"type": "input_audio", "input_audio": audio}
            case ir.File():
                shown = self._file(part)
            case ir.Refusal():
                shown = {"type": "refusal", "refusal": part.text}
            case ir.Opaque(origin=origin, raw=raw, kind=kind):
                if origin == FORMAT:
                    return raw
                self._losses.add(f"parts.{kind}" if kind else "parts")
                return None
            case _:
                self._losses.add("parts")
                return None
        if not isinstance(part, ir.Refusal) and part.cache is not None:
            self._mark(part.cache, shown)
        return shown

    def _mark(self, cache: ir.CacheMark, shown: dict[str, Any]) -> None:
        if not self._marks_cache:
            self._losses.add("cache_control")
            return
        control = {"type": "ephemeral"}
        if cache.ttl != "5m":
            control["ttl"] = cache.ttl
        shown["cache_control"] = control

    def _file(self, part: ir.File) -> dict[str, Any]:
        file: dict[str, Any] = {}
        if part.file_id:
            if part.origin not in (FORMAT, "openai-responses"):
                raise ir.CannotCarry("file_id", f"the file is stored at {part.origin or 'another'}")
            file["file_id"] = part.file_id
        elif part.data:
            kind = part.media_type or "application/pdf"
            extension = _EXTENSIONS.get(kind, "txt" if kind.startswith("text/") else "bin")
            file["filename"] = part.filename or f"document.{extension}"
            file["file_data"] = data_url(kind, part.data)
        else:
            raise ir.CannotCarry("file_url", "files go as data or not at all")
        return {"type": "file", "file": file}

    def _without_system(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Instructions as a labelled text at the head of the first user message."""
        texts: list[str] = []
        rest: list[dict[str, Any]] = []
        for entry in entries:
            if entry["role"] not in ("system", "developer"):
                rest.append(entry)
                continue
            content = entry["content"]
            if isinstance(content, str):
                texts.append(content)
            else:
                texts += [part["text"] for part in content if isinstance(part, dict)]
        if not texts:
            return rest
        head = f"{INSTRUCTIONS_LABEL}\n" + "\n\n".join(texts)
        for entry in rest:
            if entry["role"] == "user":
                content = entry["content"]
                if isinstance(content, str):
                    entry["content"] = f"{head}\n\n{content}" if content else head
                else:
                    entry["content"] = [{"type": "text", "text": head}, *content]
                return rest
        return [{"role": "user", "content": head}, *rest]


def _as_text(part: ir.Part) -> ir.Part:
    """A document of plain text as text: services take PDFs as files, and little else."""
    if not isinstance(part, ir.File) or not part.data or not part.media_type.startswith("text/"):
        return part
    try:
        text = b64decode(part.data, validate=True).decode()
    except ValueError:
        return part
    head = f"{part.filename}:\n" if part.filename else ""
    return ir.Text(head + text, part.cache)
