"""The one table of formats: name -> dialect (passthrough, errors, lists) and codec (translation).

`openai-completions` is a client format only: the legacy completions endpoint is answered by way of
chat, so no provider is ever asked in it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from omniroute.formats import claude, completions, gemini, openai_chat, openai_responses
from omniroute.formats.base import Codec, Dialect

DEFAULT_FORMAT: Final = "openai"  # of errors to those who have not shown their dialect

_MODULES: Final = (openai_chat, openai_responses, claude, gemini, completions)

CODECS: Final[Mapping[str, Codec]] = MappingProxyType(
    {codec.format: codec for codec in (module.codec() for module in _MODULES)}
)
DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {dialect.format: dialect for dialect in (module.dialect() for module in _MODULES)}
)
