"""Gemini's codec: the one object through which translation reaches this package."""

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.gemini.decoding import decode_count, decode_request
from omniroute.formats.gemini.encoding import encode_count, encode_request
from omniroute.formats.gemini.identity import FORMAT
from omniroute.formats.gemini.reading import StreamDecoder, decode_response
from omniroute.formats.gemini.writing import StreamEncoder, encode_response


class GeminiCodec:
    """See `formats.base.Codec`; the one instance serves all requests."""

    __slots__ = ()

    @property
    def format(self) -> str:
        return FORMAT

    def decode_request(self, body: bytes, path: PathFacts) -> ir.Request:
        return decode_request(body, path)

    def encode_request(self, request: ir.Request, target: TargetModel) -> ir.Encoded:
        return encode_request(request, target)

    def decode_count(self, body: bytes, path: PathFacts) -> ir.Request:
        """A request to :countTokens."""
        return decode_count(body, path)

    def encode_count(self, request: ir.Request, target: TargetModel) -> ir.Encoded:
        """The body of a request to :countTokens."""
        return encode_count(request, target)

    def decode_response(self, body: bytes) -> ir.Response:
        return decode_response(body)

    def encode_response(self, response: ir.Response, shown: Shown) -> bytes:
        return encode_response(response, shown)

    def stream_decoder(self, max_event_bytes: int) -> StreamDecoder:
        return StreamDecoder(max_event_bytes)

    def stream_encoder(self, shown: Shown) -> StreamEncoder:
        return StreamEncoder(shown)
