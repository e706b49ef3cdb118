"""Who is meant by the name of a provider, and whether it is in use.

A provider is named by its id or, when it is built in, by a short prefix (`cc`). What the file
declares under an id wins over a built-in prefix of that spelling. Off are the providers with
`enabled = false` and those under `routing.blocked_providers`: they are absent from the snapshot,
and whatever names them is left out with a note.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from omniroute.compiling.findings import Findings, did_you_mean
from omniroute.config import ConnectionSettings, ProviderSettings, Settings
from omniroute.config.schema import Path

if TYPE_CHECKING:
    from omniroute.providers.registry import ProviderRow

HOW_TO_DECLARE = "a provider of your own is declared under [[providers]]"


class Directory:
    """The providers of one configuration, by name."""

    def __init__(
        self, settings: Settings, registry: "Sequence[ProviderRow]", findings: Findings
    ) -> None:
        self._findings = findings
        self.rows: Mapping[str, ProviderRow] = {row.id: row for row in registry}
        self._owners = {prefix: row.id for row in registry for prefix in row.prefixes}
        self.declared = self._declared(settings.providers)
        self._off: dict[str, str] = {}  # id: why
        self._note_off(settings)
        self.connections = self._connections(settings.connections)

    def id_of(self, name: str) -> str | None:
        """The id of the provider that `name` (an id or prefix) means; None: there is none."""
        return name if name in self.declared else self._owners.get(name)

    def require(self, name: str, path: Path) -> str | None:
        """`id_of`, and a refusal at `path` when there is none."""
        id_ = self.id_of(name)
        if id_ is None:
            self._findings.refuse(path, f"{name!r} is no provider", self.suggestion(name))
        return id_

    def suggestion(self, name: str) -> str:
        """What may have been meant by a name that is no provider."""
        close = did_you_mean(name, [*self.declared, *self._owners])
        return f"{close} {HOW_TO_DECLARE}".lstrip()

    def off(self, id_: str) -> str:
        """Why a provider is off, as the end of a sentence; "" when it is not."""
        return self._off.get(id_, "")

    def configured(self) -> tuple[str, ...]:
        """Ids of the providers that the file declares or connects and that are not off."""
        return tuple(
            id_ for id_ in dict.fromkeys((*self.declared, *self.connections)) if not self.off(id_)
        )

    def canonical(self, pattern: str) -> str:
        """`cc/claude-*` as `claude/claude-*`: a short prefix replaced by the id it means."""
        prefix, slash, rest = pattern.partition("/")
        return f"{self.id_of(prefix) or prefix}/{rest}" if slash else pattern

    def _declared(
        self, providers: Sequence[ProviderSettings]
    ) -> dict[str, tuple[int, ProviderSettings]]:
        """Providers of the file by id, each with its index."""
        declared: dict[str, tuple[int, ProviderSettings]] = {}
        for index, provider in enumerate(providers):
            owner = self._owners.get(provider.id, provider.id)
            if owner != provider.id and not (provider.format and provider.base_url):
                # A short prefix ("cc") means its built-in provider; with a format and a base URL
                # it is a provider of one's own, and the id then wins over the prefix.
                provider = msgspec.structs.replace(provider, id=owner)
            if provider.id in declared:
                self._findings.refuse(
                    ("providers", index, "id"), f"{provider.id!r} is declared twice"
                )
            else:
                declared[provider.id] = (index, provider)
        return declared

    def _note_off(self, settings: Settings) -> None:
        for id_, (_, provider) in self.declared.items():
            if not provider.enabled:
                self._off[id_] = f"{id_} is switched off"
        for index, name in enumerate(settings.routing.blocked_providers):
            blocked = self.require(name, ("routing", "blocked_providers", index))
            if blocked is not None:
                self._off[blocked] = f"{blocked} is blocked"

    def _connections(
        self, connections: Sequence[ConnectionSettings]
    ) -> dict[str, list[tuple[int, ConnectionSettings]]]:
        """Connections by the id of their provider, each with its index; those off included."""
        found: dict[str, list[tuple[int, ConnectionSettings]]] = {}
        taken: set[tuple[str, str]] = set()
        for index, connection in enumerate(connections):
            id_ = self.require(connection.provider, ("connections", index, "provider"))
            if id_ is None:
                continue
            if (id_, connection.name) in taken:
                self._findings.refuse(
                    ("connections", index, "name"),
                    f"{connection.name!r} is the name of another connection of {id_}",
                    "give each one a name of its own",
                )
                continue
            taken.add((id_, connection.name))
            found.setdefault(id_, []).append((index, connection))
        return found
