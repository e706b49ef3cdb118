"""From the model name a client wrote to a route: which provider, and the provider's own model name.

Pure: looks only at the table of prefixes. The text before the first slash is the provider's id or
one of its prefixes; the rest, slashes included, is the model.
"""

import difflib
from collections.abc import Mapping
from typing import Final, NamedTuple

from omniroute.errors import ErrorKind, GatewayError
from omniroute.snapshot import ProviderView

# Claude Code's mark for a long context window; no provider knows it.
LONG_CONTEXT_SUFFIX: Final = "[1m]"


class Route(NamedTuple):
    """A provider and the model name to send it."""

    provider: ProviderView
    model: str


def resolve(name: str, prefixes: Mapping[str, ProviderView], pinned: str | None = None) -> Route:
    """The route of a model name; `pinned` is the provider of a `/v1/providers/{provider}` path.

    GatewayError says what is wrong with the name and what would be right.
    """
    name = name.removesuffix(LONG_CONTEXT_SUFFIX)
    prefix, slash, model = name.partition("/")
    if pinned is not None:
        return _resolve_pinned(name, prefixes, pinned)
    provider = prefixes.get(prefix) if slash else None
    if provider is None:
        raise _unknown(name, prefix if slash else None, prefixes)
    return _checked(provider, model, name)


def _resolve_pinned(name: str, prefixes: Mapping[str, ProviderView], pinned: str) -> Route:
    provider = prefixes.get(pinned)
    if provider is None:
        raise _unknown(name, pinned, prefixes)
    prefix, slash, rest = name.partition("/")
    named = prefixes.get(prefix) if slash else None
    if named is None:
        return _checked(provider, name, name)  # the prefix is added where it is missing
    listed = {each.id for each in provider.models}
    if named is not provider and name not in listed:
        raise GatewayError(
            ErrorKind.BAD_REQUEST,
            f"The model {name!r} belongs to provider {named.id!r}, but the path is that of "
            f"{provider.id!r}; use /v1/providers/{named.id}/… or /v1/….",
            param="model",
        )
    if named is provider and (rest in listed or name not in listed):
        return _checked(provider, rest, name)
    return _checked(provider, name, name)  # its own models may be named like its prefix


def _checked(provider: ProviderView, model: str, name: str) -> Route:
    if provider.needs:
        raise GatewayError(
            ErrorKind.NOT_CONFIGURED, f"{provider.name}: {provider.needs}", param="model"
        )
    if not model:
        raise GatewayError(
            ErrorKind.BAD_REQUEST,
            f"The model name {name!r} names no model after the provider.",
            param="model",
        )
    if provider.restrict and model not in {each.id for each in provider.models}:
        known = ", ".join(sorted(each.id for each in provider.models)) or "none"
        raise GatewayError(
            ErrorKind.UNKNOWN_MODEL,
            f"Provider {provider.id!r} is restricted to its listed models ({known}); "
            f"{model!r} is not one of them.",
            param="model",
        )
    return Route(provider, model)


def _unknown(name: str, prefix: str | None, prefixes: Mapping[str, ProviderView]) -> GatewayError:
    if prefix is None:
        message = f"The model name {name!r} names no provider; write it as provider/model"
        owners = sorted(
            {f"{each.id}/{name}" for each in prefixes.values() for m in each.models if m.id == name}
        )
        if owners:
            return GatewayError(
                ErrorKind.UNKNOWN_MODEL,
                f"{message}: {' or '.join(owners)}.",
                param="model",
            )
    else:
        message = f"No provider is configured under {prefix!r} (from the model name {name!r})"
        near = difflib.get_close_matches(prefix, prefixes, n=1)
        if near:
            message += f"; did you mean {near[0]!r}?"
    ids = sorted({each.id for each in prefixes.values()})
    configured = ", ".join(ids) if ids else "none yet: add one to omniroute.toml"
    return GatewayError(
        ErrorKind.UNKNOWN_MODEL, f"{message} (configured: {configured}).", param="model"
    )
