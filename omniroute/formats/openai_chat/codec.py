"""The codec of this format: translation in both directions (see `base.Codec`)."""

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.openai_chat import answers, request_decoding, request_encoding
from omniroute.formats.openai_chat.stream_decoding import StreamDecoder
from omniroute.formats.openai_chat.stream_encoding import StreamEncoder
from omniroute.formats.openai_chat.wire import FORMAT


class OpenAIChatCodec:
    """Stateless; what an answer needs of its request comes in `Shown`."""

    format = FORMAT

    def decode_request(self, body: bytes, path: PathFacts) -> ir.Request:
        return request_decoding.decode_request(body)

    def encode_request(self, request: ir.Request, target: TargetModel) -> ir.Encoded:
        return request_encoding.encode_request(request, target)

    def decode_response(self, body: bytes) -> ir.Response:
        return answers.decode_response(body)

    def encode_response(self, response: ir.Response, shown: Shown) -> bytes:
        return answers.encode_response(response, shown)

    def stream_decoder(self, max_event_bytes: int) -> StreamDecoder:
        return StreamDecoder(max_event_bytes)

    def stream_encoder(self, shown: Shown) -> StreamEncoder:
        return StreamEncoder(shown)
