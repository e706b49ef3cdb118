"""The codec of this format: its functions behind `formats.base.Codec`."""

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.openai_responses.answers import decode_response, encode_response
from omniroute.formats.openai_responses.request_decoding import decode_request
from omniroute.formats.openai_responses.request_encoding import encode_request
from omniroute.formats.openai_responses.stream_decoding import ResponsesStreamDecoder
from omniroute.formats.openai_responses.stream_encoding import ResponsesStreamEncoder
from omniroute.formats.openai_responses.wire import FORMAT


class ResponsesCodec:
    """See `formats.base.Codec`; stateless."""

    format = FORMAT

    def decode_request(self, body: bytes, path: PathFacts) -> ir.Request:
        return decode_request(body)

    def encode_request(self, request: ir.Request, target: TargetModel) -> ir.Encoded:
        return encode_request(request, target)

    def decode_response(self, body: bytes) -> ir.Response:
        return decode_response(body)

    def encode_response(self, response: ir.Response, shown: Shown) -> bytes:
        return encode_response(response, shown)

    def stream_decoder(self, max_event_bytes: int) -> ResponsesStreamDecoder:
        return ResponsesStreamDecoder(max_event_bytes)

    def stream_encoder(self, shown: Shown) -> ResponsesStreamEncoder:
        return ResponsesStreamEncoder(shown)
