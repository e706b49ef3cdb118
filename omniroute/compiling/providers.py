"""Providers as a worker calls them: the file's wishes over the built-in rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings
from omniroute.config import ConnectionSettings, ModelSettings, ProviderSettings, Settings
from omniroute.config.urls import endpoint_url, names_private_host, root_url
from omniroute.providers.registry import QUIRKS
from omniroute.snapshot import ModelView, ProviderView

if TYPE_CHECKING:
    from omniroute.providers.registry import ModelRow, ProviderRow

# The formats that have a codec; whoever brings further ones adds them here.
SPOKEN_FORMATS: Final = frozenset({"openai", "openai-responses", "claude", "gemini"})

DEFAULT_TIER: Final = "apikey"
ANTHROPIC_VERSION: Final = "2023-06-01"

# How a provider is asked that says nothing about it itself: (header, value).
_AUTH_BY_FORMAT: Final[Mapping[str, tuple[str, str]]] = {
    "openai": ("authorization", "Bearer {credential}"),
    "openai-responses": ("authorization", "Bearer {credential}"),
    "claude": ("x-api-key", "{credential}"),
    "gemini": ("x-goog-api-key", "{credential}"),
}
_HEADERS_BY_FORMAT: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "claude": (("anthropic-version", ANTHROPIC_VERSION),),
}


class ProviderCompiler:
    """Makes the view of one provider after the other."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        spoken: frozenset[str],
        findings: Findings,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._spoken = spoken
        self._findings = findings
        self._models = self._models_by_provider(settings.models)

    def view(self, id_: str) -> ProviderView | None:
        """The provider with this id; None when it was refused."""
        index, wish = self._directory.declared.get(id_, (-1, ProviderSettings(id=id_)))
        declared = [one for _, one in self._directory.connections.get(id_, ())]
        connections = [one for one in declared if one.enabled]
        row = self._directory.rows.get(wish.id)
        # A row's endpoint path, headers and way to sign in belong to the row's format.
        of_format = row if row is not None and wish.format in (None, row.format) else None
        format_ = wish.format or (row.format if row else "")
        base_url = wish.base_url or (of_format.base_url if of_format else "")
        if not self._is_complete(index, wish, row, of_format, format_):
            return None
        auth_header, auth_value = _auth(wish, of_format, format_)
        headers = dict(of_format.headers if of_format else _HEADERS_BY_FORMAT.get(format_, ()))
        headers.update((name.lower(), value) for name, value in wish.headers.items())
        if (
            auth_header
            and auth_header in headers
            and any(connection.api_key for connection in connections)
        ):
            self._findings.refuse(
                ("providers", index, "headers"),
                f"holds {auth_header}, which also carries the api_key of a connection",
                "give the credential in one of the two places",
            )
        complete = bool(base_url) and "{" not in base_url
        quirks = of_format.quirks if of_format else ()
        if wish.quirks is not None:
            quirks = self._known_quirks(index, wish.quirks)
        models, models_off = self._list_models(wish, row)
        needs = self._needs(wish, of_format, format_, auth_header in headers, connections)
        if declared and not connections:
            needs = f"All connections of {id_} are switched off."
        routing = self._settings.routing
        return ProviderView(
            id=wish.id,
            prefixes=row.prefixes if row else (wish.id,),
            name=row.name if row else wish.id,
            format=format_,
            base_url=root_url(format_, base_url) if complete else "",
            url=endpoint(of_format, format_, base_url) if complete else "",
            tier=wish.tier or (row.tier if row else DEFAULT_TIER),
            auth_header=auth_header,
            auth_value=auth_value,
            headers=tuple(headers.items()),
            models=models,
            models_off=models_off,
            restrict=wish.restrict,
            proxy=wish.proxy,
            needs=needs,
            quirks=quirks,
            declared=index >= 0,
            allow_private=wish.allow_private
            or self._settings.upstream.allow_private
            or (complete and names_private_host(base_url)),
            ca_file=wish.ca_file,
            strategy=wish.strategy or routing.strategy,
            sticky_limit=wish.sticky_limit or routing.sticky_limit,
        )

    def _is_complete(
        self,
        index: int,
        wish: ProviderSettings,
        row: "ProviderRow | None",
        of_format: "ProviderRow | None",
        format_: str,
    ) -> bool:
        """Refuses a provider that the file does not say enough about."""
        if row is None:
            missing = [key for key in ("format", "base_url") if getattr(wish, key) is None]
            for key in missing:
                self._findings.refuse(
                    ("providers", index, key),
                    f"is missing: {wish.id!r} is not a built-in provider, so it must be told",
                    'such as format = "openai" and base_url = "https://api.example.org/v1"',
                )
            return not missing
        if of_format is None and not wish.base_url:
            self._findings.refuse(
                ("providers", index, "base_url"),
                f"is missing: {row.name} is built in with the format {row.format!r}, so "
                f"{format_!r} needs its own root",
            )
            return False
        return True

    def _known_quirks(self, index: int, wished: tuple[str, ...]) -> tuple[str, ...]:
        for place, quirk in enumerate(wished):
            if quirk not in QUIRKS:
                self._findings.refuse(
                    ("providers", index, "quirks", place),
                    f"{quirk!r} is no quirk",
                    f"those there are: {', '.join(sorted(QUIRKS))}",
                )
        return tuple(dict.fromkeys(wished))

    def _needs(
        self,
        wish: ProviderSettings,
        row: "ProviderRow | None",
        format_: str,
        fixed_credential: bool,
        connections: list[ConnectionSettings],
    ) -> str:
        """What is missing, as a sentence. A provider of one's own may well want no credential."""
        if row is None:
            if format_ in self._spoken:
                return ""
            return f"The wire format {format_!r} of {wish.id} is not supported yet."
        roots = [connection.base_url for connection in connections if connection.base_url]
        return row.missing(
            spoken=self._spoken,
            base_url=wish.base_url or (roots[0] if roots else None),
            has_credential=fixed_credential or any(c.api_key for c in connections),
        )

    def _models_by_provider(
        self, models: Sequence[ModelSettings]
    ) -> dict[str, dict[str, ModelSettings]]:
        """What [[models]] says, by provider and id."""
        found: dict[str, dict[str, ModelSettings]] = {}
        configured = frozenset(self._directory.configured())
        for index, model in enumerate(models):
            id_ = self._directory.require(model.provider, ("models", index, "provider"))
            if id_ is None:
                continue
            own = found.setdefault(id_, {})
            if model.id in own:
                self._findings.refuse(
                    ("models", index, "id"), f"{model.id!r} of {id_} stands here twice"
                )
            own[model.id] = model
            if id_ not in configured and not self._directory.off(id_):
                self._findings.note(
                    f"models: {id_}/{model.id} has no effect, since {id_} has no connection"
                )
        return found

    def _list_models(
        self, wish: ProviderSettings, row: "ProviderRow | None"
    ) -> tuple[tuple[ModelView, ...], tuple[str, ...]]:
        """The models that are listed, and the ids of those that are off."""
        known: dict[str, ModelRow] = {model.id: model for model in row.models} if row else {}
        own = self._models.get(wish.id, {})
        listed = tuple(known) if wish.models is None else wish.models
        views = tuple(
            _model(id_, known.get(id_), own.get(id_))
            for id_ in dict.fromkeys((*listed, *own))
            if id_ not in own or own[id_].enabled
        )
        return views, tuple(id_ for id_, model in own.items() if not model.enabled)


def endpoint(row: "ProviderRow | None", format_: str, base_url: str) -> str:
    """The chat endpoint under this root, by the way of the row where there is one."""
    path, query = (row.path, row.query) if row else ("", "")
    return endpoint_url(format_, base_url, path=path, query=query)


def _auth(wish: ProviderSettings, row: "ProviderRow | None", format_: str) -> tuple[str, str]:
    if wish.auth_header is not None or wish.auth_value is not None:
        header = (wish.auth_header or "authorization").lower()
        usual = "Bearer {credential}" if header == "authorization" else "{credential}"
        return header, wish.auth_value or usual
    if row is not None:
        return row.auth_header, row.auth_value
    return _AUTH_BY_FORMAT.get(format_, _AUTH_BY_FORMAT["openai"])


def _model(id_: str, row: "ModelRow | None", own: ModelSettings | None) -> ModelView:
    """What the file says about a model over what is built in."""
    name = (own.name if own else "") or (row.name if row else "") or id_
    context = (own.context_tokens if own else None) or (row.context_tokens if row else None)
    output = (own.max_output_tokens if own else None) or (row.max_output_tokens if row else None)
    return ModelView(id_, name, context, output)
