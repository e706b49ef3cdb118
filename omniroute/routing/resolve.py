"""From the model name a client wrote to a route: what it stands for, and what follows that.

Pure. The first that fits holds:

1. the name of a combo, exactly;
2. an alias (`*`, `?`), whose target is resolved in turn;
3. `provider/model`: the text before the first slash is a provider's id or one of its prefixes, the
   rest, slashes included, is the model;
4. a wildcard route, whose target is resolved in turn: for names whose provider is not configured;
5. a bare name that exactly one provider lists among its models.

A path of one provider (`pinned`) knows the models of that provider only, and nothing follows it.
"""

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from omniroute.errors import ErrorKind, GatewayError
from omniroute.routing.combos import (
    TIERS,
    Absent,
    Combo,
    Member,
    Model,
    bound,
    combo,
    combo_member,
    model_member,
    model_of,
    objection,
    rank_of,
)
from omniroute.routing.patterns import (
    REMEMBERED,
    REMEMBERED_LENGTH,
    Matcher,
    expand,
    has_wildcards,
)
from omniroute.snapshot import ChainView, ComboView, PatternView, ProviderView, Snapshot

# Claude Code's mark for a long context window; no provider knows it.
LONG_CONTEXT_SUFFIX: Final = "[1m]"

# Aliases and routes that may lead to each other before it is called a mistake.
MOST_HOPS: Final = 8

# Of a name that is not known: what is repeated in an answer, and the longest that is compared with
# those that are. Comparing takes milliseconds, and nothing longer is a slip of the pen.
SHOWN_LENGTH: Final = 200
COMPARED_LENGTH: Final = 64


class Step(NamedTuple):
    """One part of a route. `why` says where it comes from: "" for what was asked for."""

    why: str
    combo: Combo


class Route(NamedTuple):
    """What a name stands for and, in order, what is tried when that is exhausted."""

    asked: str  # as the client wrote it, without the mark for a long context
    names: tuple[str, ...]  # that permissions and chains may name: as asked, through aliases, found
    combo: str  # the combo that was asked for, "" for a plain target
    steps: tuple[Step, ...]  # the first is what was asked for


class _Found(NamedTuple):
    """What a name stands for, before anything follows it."""

    names: tuple[str, ...]
    combo: Combo
    plain: Model | None
    wrong: GatewayError | None  # why nothing can serve it


class Names:
    """All names of a snapshot. Immutable but for what it remembers of its answers."""

    def __init__(
        self,
        providers: Iterable[ProviderView],
        *,
        with_accounts: Collection[str] | None = None,
        combos: Iterable[ComboView] = (),
        aliases: Iterable[PatternView] = (),
        routes: Iterable[PatternView] = (),
        chains: Iterable[ChainView] = (),
        tiered: bool = False,
        tier_fallbacks: Iterable[str] = (),
    ) -> None:
        """`with_accounts`: the ids of providers that have a connection; None: all have."""
        by_id = {provider.id: provider for provider in providers}
        self._remembered: dict[tuple[str | None, str], Route] = {}
        self._suggested: dict[tuple[str | None, str], str] = {}
        self._with_accounts = frozenset(by_id if with_accounts is None else with_accounts)
        self.prefixes: dict[str, ProviderView] = {}
        for provider in by_id.values():
            for prefix in provider.prefixes:
                self.prefixes.setdefault(prefix, provider)
        self.prefixes.update(by_id)  # an id wins over another's prefix
        self.combos = bound(combos, by_id, self._with_accounts)
        named = tuple(aliases)
        self._aliases = Matcher((alias.pattern, alias) for alias in named)
        self._alias_names = tuple(alias.pattern for alias in named)
        self._routes = Matcher((route.pattern, route) for route in routes)
        self._owners: dict[str, tuple[ProviderView, ...]] = {}
        for provider in by_id.values():
            for model in provider.models:
                self._owners[model.id] = (*self._owners.get(model.id, ()), provider)
        self._chains = [
            (
                Matcher((pattern, None) for pattern in chain.applies_to),
                Step(f"fallback chain {chain.name!r}", self._joined(chain.name, chain.models)),
            )
            for chain in chains
        ]
        self._tiered = tiered
        stand_ins = self._joined("", tier_fallbacks)
        self._stand_ins = tuple(_later((), stand_ins, rank) for rank in range(len(TIERS) + 1))

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Names":
        """The names of a snapshot."""
        return cls(
            snapshot.providers,
            with_accounts={connection.provider for connection in snapshot.connections},
            combos=snapshot.combos,
            aliases=snapshot.aliases,
            routes=snapshot.routes,
            chains=snapshot.chains,
            tiered=snapshot.routing.tiered,
            tier_fallbacks=snapshot.routing.tier_fallbacks,
        )

    def resolve(self, name: str, pinned: str | None = None) -> Route:
        """The route of a model name; `pinned` is the provider of a `/v1/providers/{provider}` path.

        GatewayError says what is wrong with the name and what would be right.
        """
        known = self._remembered.get((pinned, name))
        if known is not None:
            return known
        asked = name.removesuffix(LONG_CONTEXT_SUFFIX)
        if pinned is None:
            found = self._find(asked)
            following = self._following(found)
        else:
            found = self._pinned(asked, pinned)
            following = ()
        if found.wrong is not None and not any(step.combo.stages for step in following):
            raise found.wrong
        route = Route(asked, found.names, found.combo.name, (Step("", found.combo), *following))
        if len(name) <= REMEMBERED_LENGTH:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[pinned, name] = route
        return route

    # --- what a name stands for ---

    def _find(self, asked: str) -> _Found:
        name = asked
        names: tuple[str, ...] = (asked,)
        used: list[PatternView] = []
        while True:
            target = self._step_on(name, used)
            if isinstance(target, _Found):
                return target._replace(names=tuple(dict.fromkeys((*names, *target.names))))
            name = target.removesuffix(LONG_CONTEXT_SUFFIX)
            if name in names or len(names) > MOST_HOPS:
                raise GatewayError(
                    ErrorKind.BAD_REQUEST,
                    f"The aliases and routes of the model name {_shown(asked)} lead around "
                    f"without end: {' → '.join(map(_shown, (*names, name)))}.",
                    param="model",
                )
            names = (*names, name)

    def _step_on(self, name: str, used: list[PatternView]) -> _Found | str:
        """What a name stands for, or the name that stands for it."""
        if name in self.combos:
            return self._found_combo(self.combos[name])
        target = _taken(self._aliases, name, used)
        if target is not None:
            return target
        prefix, slash, model = name.partition("/")
        provider = self.prefixes.get(prefix) if slash else None
        found = self._found_model(provider, model, name) if provider is not None else None
        if found is not None and found.wrong is None:
            return found
        target = _taken(self._routes, name, used)
        if target is not None:
            return target
        if found is not None:
            return found
        return self._found_bare(name, prefix if slash else None)

    def _found_combo(self, found: Combo) -> _Found:
        wrong = None
        if not found.stages:
            reasons = "; ".join(f"{each.target}: {each.reason}" for each in found.absent)
            wrong = GatewayError(
                ErrorKind.NOT_CONFIGURED,
                f"The combo {found.name!r} has no member that could serve: {reasons}",
                param="model",
            )
        return _Found((found.name,), found, None, wrong)

    def _found_model(self, provider: ProviderView, model: str, name: str) -> _Found:
        """A model of a provider; an error when no configuration could make it served."""
        if not model:
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"The model name {_shown(name)} names no model after the provider.",
                param="model",
            )
        wrong = objection(provider, model, has_account=provider.id in self._with_accounts)
        if wrong is not None and wrong.kind is not ErrorKind.NOT_CONFIGURED:
            raise wrong
        plain = model_of(provider, model)
        names = tuple(f"{prefix}/{model}" for prefix in (provider.id, *provider.prefixes))
        if wrong is None:
            whole = combo("", (model_member(plain),))
        else:
            whole = combo("", (), absent=(Absent(names[0], wrong.message),))
        return _Found(names, whole, plain, wrong)

    def _found_bare(self, name: str, prefix: str | None) -> _Found:
        owners = self._owners.get(name, ())
        able = [each for each in owners if each.id in self._with_accounts and not each.needs]
        if len(able) > 1:
            candidates = [f"{owner.id}/{name}" for owner in able]
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"The model name {_shown(name)} is listed by {len(able)} providers; write one of "
                f"{', '.join(candidates)}.",
                param="model",
            )
        if not owners:
            raise self._unknown(name, prefix)
        return self._found_model((able or owners)[0], name, name)

    def _pinned(self, name: str, pinned: str) -> _Found:
        provider = self.prefixes.get(pinned)
        if provider is None:
            raise self._unknown(name, pinned)
        prefix, slash, rest = name.partition("/")
        named = self.prefixes.get(prefix) if slash else None
        if named is None:
            return self._found_model(provider, name, name)  # the prefix is added where missing
        listed = {each.id for each in provider.models}
        if named is not provider and name not in listed:
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"The model {_shown(name)} belongs to provider {named.id!r}, but the path is that "
                f"of {provider.id!r}; use /v1/providers/{named.id}/… or /v1/….",
                param="model",
            )
        if named is provider and (rest in listed or name not in listed):
            return self._found_model(provider, rest, name)
        return self._found_model(provider, name, name)  # its models may be named like its prefix

    # --- what follows ---

    def _following(self, found: _Found) -> tuple[Step, ...]:
        """Fallback chains that apply, then later tiers."""
        steps = [
            step
            for applies_to, step in self._chains
            if any(applies_to.find(name) is not None for name in found.names)
        ]
        if self._tiered and found.plain is not None:
            steps.append(Step("tier fallback", self._later_tiers(found.plain)))
        return tuple(step for step in steps if step.combo.stages or step.combo.absent)

    def _later_tiers(self, asked: Model) -> Combo:
        """The same model at providers of later tiers, and models that may stand in for any."""
        same = [
            model_member(model_of(provider, asked.model))
            for provider in self._owners.get(asked.model, ())
            if rank_of(provider.tier) > asked.rank
            and objection(provider, asked.model, has_account=provider.id in self._with_accounts)
            is None
        ]
        stand_ins = self._stand_ins[asked.rank]
        return _later(same, stand_ins, asked.rank) if same else stand_ins

    def _joined(self, name: str, targets: Iterable[str]) -> Combo:
        """A combo of names, in order; a name that cannot be resolved is listed as absent."""
        members: list[Member] = []
        absent: list[Absent] = []
        for target in targets:
            try:
                found = self._find(target)
            except GatewayError as error:
                absent.append(Absent(target, error.message))
                continue
            if found.plain is None or found.wrong is not None:
                members.append(combo_member(found.combo))
            else:
                members += found.combo.members
        return combo(name, members, absent=absent)

    # --- what is wrong ---

    def _unknown(self, name: str, prefix: str | None) -> GatewayError:
        shown = _shown(name)
        if prefix is None:
            message = f"The model name {shown} names no provider; write it as provider/model"
        else:
            message = (
                f"No provider is configured under {_shown(prefix)} (from the model name {shown})"
            )
        near = self._near(name, prefix)
        if near:
            message += f"; did you mean {near!r}?"
        ids = sorted({each.id for each in self.prefixes.values()})
        configured = ", ".join(ids) if ids else "none yet: add one to omniroute.toml"
        return GatewayError(
            ErrorKind.UNKNOWN_MODEL, f"{message} (configured: {configured}).", param="model"
        )

    def _near(self, name: str, prefix: str | None) -> str:
        """A name that is known and much like one that is not; "" when there is none."""
        if len(name) > COMPARED_LENGTH or len(prefix or "") > COMPARED_LENGTH:
            return ""
        near = self._suggested.get((prefix, name))
        if near is None:
            if prefix is None:
                known = (*self.combos, *self._alias_names, *self._owners)
                found = difflib.get_close_matches(name, known, n=1)
            else:
                found = difflib.get_close_matches(
                    prefix, self.prefixes, n=1
                ) or difflib.get_close_matches(name, self.combos, n=1)
            near = found[0] if found else ""
            if len(self._suggested) >= REMEMBERED:
                self._suggested.clear()
            self._suggested[prefix, name] = near
        return near


def _later(members: Sequence[Member], stand_ins: Combo, rank: int) -> Combo:
    """Members and stand-ins of a tier and all after it, by tier."""
    return combo(
        "",
        (*members, *stand_ins.members),
        tiered=True,
        absent=stand_ins.absent,
        from_rank=rank,
    )


def _taken(matcher: Matcher[PatternView], name: str, used: list[PatternView]) -> str | None:
    """The target of the pattern that a name fits; it is noted in `used`.

    What a pattern with wildcards has led to is not led on by the same pattern: `gpt-*` may well
    stand for `gpt-5`, and `*` for `acme/*`, which fit them, too.
    """
    found = matcher.find(name)
    if found is None or (found.value in used and has_wildcards(found.value.pattern)):
        return None
    used.append(found.value)
    target = expand(found.value.target, found.captured)
    return target if target != name else None


def _shown(name: str) -> str:
    return repr(name if len(name) <= SHOWN_LENGTH else f"{name[:SHOWN_LENGTH]}…")
