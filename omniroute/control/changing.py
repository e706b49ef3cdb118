"""A change of what is stored: tried with the whole configuration, kept if it holds, then in force.

In one transaction the change is written and the whole configuration compiled with it. What then
does not hold is refused, and nothing has changed: 422 naming the field where the change itself is
wrong, 409 where something else would no longer work, 403 where a stored secret would go elsewhere
and whoever asks neither knows it nor may do everything. Otherwise it is committed and published,
and workers act on it from their next request on. One change is made at a time; every call blocks.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from omniroute.config import ConfigError, Settings, StoredName
from omniroute.config.schema import sections
from omniroute.config.setting import Setting, is_file, is_secret
from omniroute.config.stored import SETTING
from omniroute.control.configuration import Compiled, Configuration
from omniroute.control.destinations import destinations, moved
from omniroute.control.refusal import Denied, Detail, conflict, invalid_fields
from omniroute.control.sealing import HIDDEN, opened
from omniroute.installation import Installation, InstallationError
from omniroute.snapshot import Snapshot
from omniroute.state.interface import StateError
from omniroute.store.database import Store
from omniroute.store.interface import Entity, StoreError

T = TypeVar("T")
Match = Callable[[int], None]

STRUCTS: Final[Mapping[str, type[Setting]]] = {
    section.name: section.struct for section in sections()
}


def any_version(version: int) -> None:
    """For changes that do not depend on what was read before."""


class _Undone(Exception):
    """Ends a transaction that was only a trial."""


class Changing:
    """Makes the changes of one caller, and what every kind of them needs. Cheap to make.

    `unlimited`: the caller may do everything, such as send a secret that it does not know to
    another address.
    """

    def __init__(
        self,
        store: Store,
        configuration: Configuration,
        installation: Installation,
        now_ms: Callable[[], int],
        *,
        unlimited: bool = False,
    ) -> None:
        self._store = store
        self._configuration = configuration
        self._installation = installation
        self._now_ms = now_ms
        self._unlimited = unlimited
        self._given_texts: set[str] = set()  # which the caller knows, secrets among them

    def change(self, work: Callable[[], T], *touched: StoredName) -> T:
        """What `work` writes is kept if the configuration holds with it, and then put in force.

        `touched`: what it writes anew, so that what is wrong there is the change's own fault.
        `work` calls the store or `store_…` here, never `change` again. Raises Denied, StoreError,
        and StateError when it is stored but could not be published yet.
        """
        configuration = self._configuration
        with configuration.changing:
            self._settings()
            with self._store.transaction("change the configuration"):
                result = work()
                compiled = self._compiled()
                self._refuse_harm(compiled, touched)
                self._refuse_moves(compiled)
            try:
                configuration.put_in_force(compiled)
            except (InstallationError, StateError, StoreError) as error:
                configuration.try_again(error)
                raise
        return result

    def _compiled(self) -> Compiled:
        try:
            return self._configuration.compiled()
        except ConfigError as error:
            raise conflict(f"the configuration would not hold: {error.headline()}") from error

    def _refuse_harm(self, compiled: Compiled, touched: Sequence[StoredName]) -> None:
        """Nothing may be left out that was not left out before, and nothing touched at all."""
        known = self._configuration.left_out
        new = [name for name in compiled.left_out if name in touched or name not in known]
        if not new:
            return
        # What was left out first is the reason for the others.
        if new[0] not in touched:
            error = compiled.left_out[new[0]]
            raise conflict(f"the {new[0]} would no longer work: {told(error)}")
        own = [(name, compiled.left_out[name]) for name in new if name in touched]
        raise invalid_fields(*(Detail(_field(name, error), rule_of(error)) for name, error in own))

    def _refuse_moves(self, compiled: Compiled) -> None:
        """A secret goes elsewhere only by the hand of who knows it."""
        if self._unlimited:
            return
        registry = self._configuration.registry()
        before, after = (
            destinations(settings, registry) for settings in (self._settings(), compiled.settings)
        )
        if whose := moved(before, after, self._given_texts):
            raise Denied(
                403,
                f"the {whose} has a secret, which this would send elsewhere or otherwise; give the "
                "secret in the same request, or use a key with the scope `admin`",
            )

    def _learn(self, value: object) -> None:
        """The caller has sent this, and so knows it."""
        if isinstance(value, str):
            self._given_texts.add(value)
        elif isinstance(value, Mapping):
            for item in value.values():
                self._learn(item)

    def _refuse_files(self, struct: type[Setting], values: Mapping[str, Any]) -> None:
        """Whoever may only configure cannot ask which files this machine has."""
        for field in msgspec.structs.fields(struct):
            if is_file(field.type) and values.get(field.name) is not None and not self._unlimited:
                raise Denied(
                    403, f"{field.name} names a file of this machine: that takes the scope `admin`"
                )

    def trial(self, work: Callable[[], object], *touched: StoredName) -> Snapshot:
        """The snapshot that there would be after a change, which is not kept.

        Raises Denied like `change`.
        """
        with self._configuration.changing, contextlib.suppress(_Undone):
            self._settings()
            with self._store.transaction("try a configuration"):
                work()
                compiled = self._compiled()
                self._refuse_harm(compiled, touched)
                self._refuse_moves(compiled)
                raise _Undone
        return compiled.snapshot

    def left_out(self, name: StoredName) -> ConfigError | None:
        """Why this stored thing does not act; None when it does."""
        return self._configuration.left_out.get(name)

    def _opened(self, entity: Entity) -> dict[str, Any]:
        """The values of an entity; a secret that no key opens is absent."""
        body: dict[str, Any] = msgspec.json.decode(entity.body)
        values: dict[str, Any] = {}
        for key, value in body.items():
            try:
                values[key] = opened(value, self._installation)
            except InstallationError:
                continue
        return values

    def _settings(self) -> Settings:
        settings = self._configuration.settings
        if settings is None:
            raise conflict(
                "the configuration file is broken, so nothing can be changed: "
                f"{self._configuration.error}"
            )
        return settings

    def _file(self) -> str:
        return f"the configuration file {self._configuration.file}"

    def _refuse_placeholders(self, struct: type[Setting], values: Mapping[str, Any]) -> None:
        for field in msgspec.structs.fields(struct):
            if is_secret(field.type) and HIDDEN in str(values.get(field.name)):
                raise invalid_fields(
                    Detail(field.name, "stands for a secret and is none; send the secret itself")
                )


def rule_of(error: ConfigError) -> str:
    """What is wrong and what would be right."""
    return f"{error.message} ({error.hint})" if error.hint else error.message


def told(error: ConfigError) -> str:
    """The same with the field, for who knows which thing it is about."""
    return f"{error.key}: {rule_of(error)}" if error.key else rule_of(error)


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """What a setting is when nobody says; None for one that must be given."""
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None


def _field(name: StoredName, error: ConfigError) -> str:
    """Which field of what was sent is wrong; of settings with their section."""
    if name.kind != SETTING or error.stored is None:  # None: another place contradicts it
        return error.key
    return f"{name.id.partition('.')[0]}.{error.key}"
