"""Names as routing resolves them: combos, aliases, routes, fallback chains, all checked.

A target is `provider/model` or the name of a combo; where it is resolved again for each request
(aliases, routes, chains), another alias or route may also take it up. One that means nobody is
refused with what may have been meant; one that means something switched off, blocked, not
configured or not usable is left out with a note. In what comes out providers go by their ids, and
no combo reaches itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings, did_you_mean
from omniroute.config import (
    AliasSettings,
    ComboMember,
    ComboSettings,
    RouteSettings,
    RoutingSettings,
    Settings,
)
from omniroute.config.schema import Path
from omniroute.routing.patterns import Matcher
from omniroute.snapshot import ChainView, ComboView, MemberView, PatternView, ProviderView


class _Target(NamedTuple):
    """What a name means: a model of a provider, or a combo (`combo` is set)."""

    provider: str = ""
    model: str = ""
    combo: str = ""

    def name(self) -> str:
        return self.combo or f"{self.provider}/{self.model}"


class NameCompiler:
    """Compiles what names say about each other, once the providers are known."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        providers: Sequence[ProviderView],
        findings: Findings,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._providers = {view.id: view for view in providers}
        self._combos = {combo.name: combo for combo in settings.combos}
        self._aliases = Matcher((one.pattern, one) for one in settings.aliases)
        self._routes = Matcher((one.pattern, one) for one in settings.routes)
        self._findings = findings

    def combos(self) -> tuple[ComboView, ...]:
        """Those that are on. One whose members are all left out stays, and is told."""
        views: list[ComboView] = []
        indices: dict[str, int] = {}
        for index, combo in enumerate(self._settings.combos):
            if combo.enabled and combo.name not in indices:
                indices[combo.name] = index
                views.append(self._combo(index, combo))
        self._refuse_cycles(views, indices)
        for view in views:
            if not view.members:
                self._findings.note(f"combo {view.name}: none of its members can be used")
        return tuple(views)

    def aliases(self) -> tuple[PatternView, ...]:
        return tuple(self._patterns("aliases", self._settings.aliases))

    def routes(self) -> tuple[PatternView, ...]:
        return tuple(self._patterns("routes", self._settings.routes))

    def chains(self) -> tuple[ChainView, ...]:
        """Those that are on and lead somewhere."""
        chains = []
        for index, chain in enumerate(self._settings.fallback_chains):
            if not chain.enabled:
                continue
            path = ("fallback_chains", index, "models")
            models = tuple(self._names(chain.models, path, f"fallback chain {chain.name}"))
            applies_to = (
                each for one in chain.applies_to for each in (one, self._directory.canonical(one))
            )
            if models:
                chains.append(ChainView(chain.name, tuple(dict.fromkeys(applies_to)), models))
        return tuple(chains)

    def routing(self) -> RoutingSettings:
        """The settings of [routing], `tier_fallbacks` checked like members."""
        routing = self._settings.routing
        path = ("routing", "tier_fallbacks")
        fallbacks = tuple(self._names(routing.tier_fallbacks, path, "routing.tier_fallbacks"))
        return msgspec.structs.replace(routing, tier_fallbacks=fallbacks)

    def _combo(self, index: int, combo: ComboSettings) -> ComboView:
        members = []
        for place, member in enumerate(combo.models):
            wish = ComboMember(model=member) if isinstance(member, str) else member
            path = ("combos", index, "models", place)
            # A combo may stand before the model of its own name, with others to fall back to.
            target = self._target(wish.model, path, f"combo {combo.name}", within=combo.name)
            if target is not None:
                members.append(MemberView(*target, weight=wish.weight))
        tiered = self._settings.routing.tiered if combo.tiered is None else combo.tiered
        return ComboView(
            name=combo.name,
            members=tuple(members),
            strategy=combo.strategy,
            sticky_limit=combo.sticky_limit,
            tiered=tiered,
            proxy=combo.proxy,
        )

    def _refuse_cycles(self, views: Sequence[ComboView], indices: Mapping[str, int]) -> None:
        inner = {
            view.name: [member.combo for member in view.members if member.combo] for view in views
        }
        done: set[str] = set()

        def visit(name: str, way: tuple[str, ...]) -> None:
            if name in way:
                circle = (*way[way.index(name) :], name)
                self._findings.refuse(
                    ("combos", indices[way[-1]], "models"),
                    f"lead back to where they began: {' -> '.join(circle)}",
                    "take one of these out",
                )
            elif name not in done:
                for each in inner[name]:
                    visit(each, (*way, name))
                done.add(name)

        for view in views:
            visit(view.name, ())

    def _patterns(
        self, section: str, wishes: Sequence[AliasSettings | RouteSettings]
    ) -> Iterator[PatternView]:
        for index, wish in enumerate(wishes):
            owner = f"{section} {wish.pattern}"
            if _is_open(wish.target):
                yield PatternView(wish.pattern, wish.target)
                continue
            target = self._name(wish.target, (section, index, "target"), owner, asking=wish)
            if target is not None:
                yield PatternView(wish.pattern, target)

    def _names(self, names: Sequence[str], path: Path, owner: str) -> Iterator[str]:
        for place, name in enumerate(names):
            target = self._name(name, (*path, place), owner)
            if target is not None:
                yield target

    def _name(
        self,
        name: str,
        path: Path,
        owner: str,
        *,
        asking: AliasSettings | RouteSettings | None = None,
    ) -> str | None:
        """A name that is resolved again for each request; None when it leads nowhere.

        `asking` is the alias or route whose target it is: that one does not take it up again.
        """
        if name not in self._combos:
            alias = self._aliases.find(name)
            if alias is not None and alias.value is not asking:
                return name
            if not self._is_configured(name):
                route = self._routes.find(name)
                if route is not None and route.value is not asking:
                    return name
        target = self._target(name, path, owner)
        return None if target is None else target.name()

    def _is_configured(self, name: str) -> bool:
        prefix, slash, _ = name.partition("/")
        id_ = self._directory.id_of(prefix) if slash else None
        return id_ is not None and (id_ in self._providers or self._directory.off(id_) != "")

    def _target(self, name: str, path: Path, owner: str, *, within: str = "") -> _Target | None:
        """What `name` means; None when it was refused or is left out."""
        prefix, slash, model = name.partition("/")
        provider = self._directory.id_of(prefix) if slash and model else None
        combo = self._combos.get(name)
        if combo is not None and not (name == within and provider is not None):
            if combo.enabled:
                return _Target(combo=name)
            self._leave_out(owner, name, "it is switched off")
            return None
        if provider is None:
            self._findings.refuse(path, _what_it_is_not(name), self._suggestion(name))
            return None
        why = self._unusable(provider, model)
        if why:
            self._leave_out(owner, name, why)
            return None
        return _Target(provider=provider, model=model)

    def _unusable(self, provider: str, model: str) -> str:
        """Why a model cannot be used, "" when it can."""
        if off := self._directory.off(provider):
            return off
        view = self._providers.get(provider)
        if view is None:
            return f"{provider} is not configured; it needs [[connections]] or [[providers]]"
        if view.needs:
            return f"{provider} cannot be used"  # why stands among the problems already
        if model in view.models_off:
            return "the model is switched off"
        if view.restrict and "*" not in model and model not in {one.id for one in view.models}:
            return f"{provider} is restricted to other models"
        return ""

    def _leave_out(self, owner: str, name: str, why: str) -> None:
        self._findings.note(f"{owner}: {name} is left out: {why}")

    def _suggestion(self, name: str) -> str:
        """What may have been meant by a name that means nobody."""
        owners = [
            f"{view.id}/{model.id}"
            for view in self._providers.values()
            for model in view.models
            if model.id == name
        ]
        if owners:
            return f"write {' or '.join(owners)}"
        prefix, slash, model = name.partition("/")
        if slash and not model:
            return f"such as {prefix}/some-model"
        combo = did_you_mean(name, self._combos)
        return combo if combo or not slash else self._directory.suggestion(prefix)


def _what_it_is_not(name: str) -> str:
    prefix, slash, model = name.partition("/")
    if not slash:
        return f"{name!r} is neither provider/model nor a combo"
    return f"{prefix!r} is no provider" if model else f"{name!r} names no model after the provider"


def _is_open(target: str) -> bool:
    """Does only the name that was asked for say which provider or combo this is?"""
    return "*" in target.partition("/")[0]
