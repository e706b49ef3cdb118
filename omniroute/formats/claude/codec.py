"""The Messages format's codec: the four directions and the two stream machines, put together."""

from omniroute.formats import ir
from omniroute.formats.base import (
    PathFacts,
    Shown,
    StreamDecoder,
    StreamEncoder,
    TargetModel,
)
from omniroute.formats.claude.decoder import ClaudeStreamDecoder
from omniroute.formats.claude.encode import encode_request
from omniroute.formats.claude.encoder import ClaudeStreamEncoder
from omniroute.formats.claude.requests import decode_request
from omniroute.formats.claude.responses import decode_response, encode_response
from omniroute.formats.claude.wire import FORMAT


class ClaudeCodec:
    """See `omniroute.formats.base.Codec`. Without state: one serves all requests."""

    @property
    def format(self) -> str:
        return FORMAT

    def decode_request(self, body: bytes, path: PathFacts) -> ir.Request:
        return decode_request(body)

    def encode_request(self, request: ir.Request, target: TargetModel) -> ir.Encoded:
        return encode_request(request, target)

    def decode_response(self, body: bytes) -> ir.Response:
        return decode_response(body)

    def encode_response(self, response: ir.Response, shown: Shown) -> bytes:
        return encode_response(response, shown)

    def stream_decoder(self, max_event_bytes: int) -> StreamDecoder:
        return ClaudeStreamDecoder(max_event_bytes)

    def stream_encoder(self, shown: Shown) -> StreamEncoder:
        return ClaudeStreamEncoder(shown)
