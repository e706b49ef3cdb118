"""Every setting: its type, bounds, default and meaning, in one place.

The structs are the single source for validation, for the names of environment variables and for
the generated reference (`docs/reference/config.md`); the text in `Meta(description=…)` is what
people read there. A key stands here only if it acts. The structs themselves stand by theme in
`serving`, `providing`, `spending`, `routing` and `guarding`; this module joins them.

Units are part of the name: `_s` seconds, `_bytes` bytes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from omniroute.config.errors import ConfigError, StoredName
from omniroute.config.guarding import (
    AddressLimitSettings,
    BackupSettings,
    CaptureSettings,
    InjectionGuardSettings,
    IpFilterSettings,
    RetentionSettings,
)
from omniroute.config.providing import (
    ConnectionSettings,
    ModelSettings,
    PriceSettings,
    ProviderSettings,
)
from omniroute.config.routing import (
    AliasSettings,
    CacheSettings,
    ComboSettings,
    FallbackChainSettings,
    ResilienceSettings,
    RouteSettings,
    RoutingSettings,
)
from omniroute.config.serving import (
    AdminSettings,
    LimitSettings,
    LogSettings,
    ServerSettings,
    StateSettings,
    UpstreamSettings,
)
from omniroute.config.setting import Setting, nest, unwrap
from omniroute.config.spending import (
    KeySettings,
    PromptSettings,
    SharedBudgetSettings,
    ThinkingSettings,
)
from omniroute.config.stored import SETTING

Step = str | int
Path = tuple[Step, ...]


Source = Literal["default", "stored", "file", "environment", "command line"]


class Origin(NamedTuple):
    """Where values came from: the file, the line of each key in it, other places by key, and what
    is stored: whose each key is."""

    file: str = ""
    lines: Mapping[Path, int] = {}
    places: Mapping[Path, str] = {}
    stored: Mapping[Path, StoredName] = {}

    def problem(self, path: Path, message: str, hint: str = "") -> ConfigError:
        """An error at `path`; where that has no line of its own, its parent's."""
        owner = self.owner(path)
        if owner is not None:
            # A setting's own name is part of what it is called.
            within = path[1:] if owner.kind == SETTING else path[2:]
            return ConfigError(
                message, file=str(owner), key=dotted(within), hint=hint, stored=owner
            )
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                place = self.places[path[:length]]
                return ConfigError(message, file=place, key=dotted(path), hint=hint)
            if path[:length] in self.lines:
                line = self.lines[path[:length]]
                return ConfigError(message, file=self.file, line=line, key=dotted(path), hint=hint)
        return ConfigError(message, file=self.file, key=dotted(path), hint=hint)

    def names(self, path: Path) -> bool:
        """Does a source give this key? Otherwise it has its default."""
        return path in self.lines or path in self.places or path in self.stored

    def owner(self, path: Path) -> StoredName | None:
        """The stored thing that a path is in; None when it is of another source."""
        return self.stored.get(path[:2])

    def source(self, path: Path) -> Source:
        """Which source gave the value of a section's setting, or the item of a list."""
        if path in self.stored:
            return "stored"
        if path in self.places:
            return "command line" if self.places[path].startswith("option ") else "environment"
        return "file" if path in self.lines else "default"


class Settings(Struct, frozen=True, kw_only=True):
    """A whole configuration. `origin` is not a setting: it lets later checks name the place."""

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    log: LogSettings = LogSettings()
    state: StateSettings = StateSettings()
    admin: AdminSettings = AdminSettings()
    routing: RoutingSettings = RoutingSettings()
    resilience: ResilienceSettings = ResilienceSettings()
    cache: CacheSettings = CacheSettings()
    system_prompt: PromptSettings = PromptSettings()
    thinking: ThinkingSettings = ThinkingSettings()
    ip_filter: IpFilterSettings = IpFilterSettings()
    address_limit: AddressLimitSettings = AddressLimitSettings()
    injection_guard: InjectionGuardSettings = InjectionGuardSettings()
    capture: CaptureSettings = CaptureSettings()
    retention: RetentionSettings = RetentionSettings()
    backups: BackupSettings = BackupSettings()
    providers: tuple[ProviderSettings, ...] = ()
    connections: tuple[ConnectionSettings, ...] = ()
    models: tuple[ModelSettings, ...] = ()
    combos: tuple[ComboSettings, ...] = ()
    aliases: tuple[AliasSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    fallback_chains: tuple[FallbackChainSettings, ...] = ()
    keys: tuple[KeySettings, ...] = ()
    budgets: tuple[SharedBudgetSettings, ...] = ()
    pricing: tuple[PriceSettings, ...] = ()
    origin: Origin = Origin()


class Section(NamedTuple):
    """A table of the file; `repeated` for `[[name]]`."""

    name: str
    struct: type[Setting]
    repeated: bool


def sections() -> Iterator[Section]:
    """The tables of the file in the order of the reference."""
    for field in msgspec.structs.fields(Settings):
        if get_origin(field.type) is tuple:  # the repeated ones
            yield Section(field.name, get_args(field.type)[0], True)
        elif field.type is not Origin:
            yield Section(field.name, field.type, False)


def dotted(path: Path) -> str:
    """`("providers", 2, "format")` as `providers[2].format`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def literals(bare: Any) -> list[str]:
    """The values a `Literal`, optional or not, allows; empty for any other type."""
    if type(None) in get_args(bare):
        bare = get_args(bare)[0]
    return list(get_args(bare)) if get_origin(bare) is Literal else []


def expected(annotation: Any) -> str:
    """What a value of this type looks like, in words."""
    bare, meta = unwrap(annotation)
    if choices := literals(bare):
        return f"one of {_quoted(choices)}"
    if nested := nest(annotation):
        items = "strings or tables" if nested.text else "tables"
        shapes = ["a table"] * nested.table + [f"a list of {items}"] * nested.listed
        return " or ".join(shapes)
    if get_origin(bare) is tuple:
        choices = literals(get_args(bare)[0])
        return f"a list of {_quoted(choices)}" if choices else "a list of strings"
    if get_origin(bare) is dict:
        return "a table of strings"
    if type(None) in get_args(bare):
        return expected(get_args(bare)[0])
    if bare is bool:
        return "true or false"
    if bare in (int, float):
        return _expected_number(bare, meta)
    return "a string"


def _quoted(choices: list[str]) -> str:
    return ", ".join(f'"{choice}"' for choice in choices)


def _expected_number(bare: type, meta: Meta) -> str:
    noun = "a whole number" if bare is int else "a number"
    if meta.ge is not None and meta.le is not None:
        return f"{noun} from {meta.ge} to {meta.le}"
    if meta.ge is not None:
        return f"{noun} of at least {meta.ge}"
    if meta.gt is not None and meta.le is not None:
        return f"{noun} above {meta.gt}, at most {meta.le}"
    if meta.gt is not None:
        return f"{noun} above {meta.gt}"
    return noun
