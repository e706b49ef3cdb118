"""Citations and log probabilities: Gemini's metadata of a candidate, and ours of a text.

Source: Gemini API reference, `GroundingMetadata`, `CitationMetadata`, `LogprobsResult`. Gemini
counts offsets in UTF-8 bytes of the text, the IR in characters; log probabilities are OpenAI's
object in the IR.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.gemini import wire
from omniroute.formats.gemini.identity import FORMAT


def citations_of(candidate: wire.Candidate, text: str) -> list[ir.Citation]:
    """What a candidate rests on, in the order it is named."""
    encoded = text.encode("utf-8", "surrogatepass")

    def at(offset: int | None) -> int | None:
        return None if offset is None else len(encoded[: max(0, offset)].decode("utf-8", "ignore"))

    made: list[ir.Citation] = []
    grounding = candidate.groundingMetadata
    if grounding is not None:
        chunks = grounding.groundingChunks or []
        supported: set[int] = set()
        for support in grounding.groundingSupports or []:
            segment = support.segment or wire.Segment()
            start = 0 if segment.startIndex is None else segment.startIndex
            for number in support.groundingChunkIndices or []:
                if not 0 <= number < len(chunks):
                    continue
                supported.add(number)
                source = _source(chunks[number])
                made.append(
                    ir.Citation(
                        source.uri or "",
                        source.title or "",
                        segment.text or "",
                        at(start),
                        at(segment.endIndex),
                        FORMAT,
                    )
                )
        for number, chunk in enumerate(chunks):
            if number not in supported:
                source = _source(chunk)
                made.append(ir.Citation(source.uri or "", source.title or "", origin=FORMAT))
    cited = candidate.citationMetadata
    if cited is not None:
        for one in cited.citationSources or cited.citations or []:
            made.append(
                ir.Citation(
                    one.uri or "",
                    one.title or "",
                    start=at(one.startIndex),
                    end=at(one.endIndex),
                    origin=FORMAT,
                )
            )
    return made


def _source(chunk: wire.GroundingChunk) -> wire.WebChunk:
    return chunk.web or chunk.retrievedContext or wire.WebChunk()


def written_citations(citations: list[ir.Citation], text: str) -> dict[str, Any] | None:
    """The groundingMetadata of a text's citations; None where no citation names a source."""
    chunks: list[dict[str, Any]] = []
    numbers: dict[tuple[str, str], int] = {}
    supports: list[dict[str, Any]] = []

    def offset(character: int) -> int:
        return len(text[:character].encode("utf-8", "surrogatepass"))

    for one in citations:
        if not one.url and not one.title:
            continue
        key = (one.url, one.title)
        if key not in numbers:
            numbers[key] = len(chunks)
            chunks.append({"web": {"uri": one.url, "title": one.title}})
        if one.start is None or one.end is None:
            continue
        segment: dict[str, Any] = {
            "startIndex": offset(one.start),
            "endIndex": offset(one.end),
            "text": text[one.start : one.end],
        }
        supports.append({"segment": segment, "groundingChunkIndices": [numbers[key]]})
    if not chunks:
        return None
    made: dict[str, Any] = {"groundingChunks": chunks}
    if supports:
        made["groundingSupports"] = supports
    return made


class _Top(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float = 0.0


class _Token(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: list[_Top] | None = None


class _Logprobs(msgspec.Struct, gc=False):
    content: list[_Token] | None = None


_decode_logprobs: Final = msgspec.json.Decoder(_Logprobs).decode


def logprobs_of(result: wire.LogprobsResult) -> Raw:
    """Gemini's tokens as OpenAI's object; two lists there, one here, joined by position."""
    tops = result.topCandidates
    content = [
        {
            **_shown(chosen),
            "top_logprobs": [
                _shown(top) for top in (tops[number].candidates if number < len(tops) else [])
            ],
        }
        for number, chosen in enumerate(result.chosenCandidates)
    ]
    return Raw(msgspec.json.encode({"content": content, "refusal": None}))


def _shown(token: wire.LogprobToken) -> dict[str, Any]:
    encoded = list(token.token.encode("utf-8", "surrogatepass"))
    return {"token": token.token, "logprob": token.logProbability, "bytes": encoded}


def written_logprobs(raw: Raw) -> dict[str, Any] | None:
    """OpenAI's object as a logprobsResult; None where it has no tokens."""
    try:
        read = _decode_logprobs(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # an upstream's own shape: better no numbers than no answer
    if not read.content:
        return None
    return {
        "chosenCandidates": [
            {"token": one.token, "logProbability": one.logprob} for one in read.content
        ],
        "topCandidates": [
            {
                "candidates": [
                    {"token": top.token, "logProbability": top.logprob}
                    for top in one.top_logprobs or []
                ]
            }
            for one in read.content
        ],
    }
