"""Combos as plans walk them: members bound to providers, cut into tiers, strategies looked up.

Built once per snapshot. Everything that a name can stand for has this one shape: a plain target is
a combo of one member, a fallback chain is a combo by priority. A nested combo is referenced, not
flattened: it is ordered by its own strategy when its turn comes.

A tiered combo has one stage per tier. A nested combo stands in each tier in which it has members,
with those alone, so that an order never goes back to an earlier tier.

What can never serve under this configuration is no member: it is listed as `Absent`, with a
sentence that says why.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from omniroute.errors import ErrorKind, GatewayError
from omniroute.routing.strategies import PREFERRING, STRATEGIES, Strategy, Turn
from omniroute.snapshot import ComboView, ProviderView

TIERS: Final = ("subscription", "apikey", "cheap", "free", "local")
"""In the order in which tiered fallback moves on."""

_RANKS: Final[Mapping[str, int]] = {tier: rank for rank, tier in enumerate(TIERS)}


def rank_of(tier: str) -> int:
    """The place of a tier in their order; an unknown one comes last."""
    return _RANKS.get(tier, len(TIERS))


class Absent(NamedTuple):
    """What was configured as a target and can never serve, and why."""

    target: str
    reason: str


class Model(Struct, frozen=True, eq=False, gc=False):
    """A model of a provider, and how the provider's accounts are chosen."""

    provider: ProviderView
    model: str  # the provider's own name of it
    rank: int  # of the provider's tier
    order: Strategy
    turn: Turn


class Member(Struct, frozen=True, eq=False):
    """A place in a combo: a model, or another combo."""

    of: "Model | Combo"
    weight: float
    providers: frozenset[str]  # that may serve it


class Stage(Struct, frozen=True, eq=False):
    """Members that one strategy orders among themselves."""

    members: tuple[Member, ...]
    order: Strategy
    turn: Turn
    prefers: bool  # the order says which is preferred: a conversation does not change it


Sole: TypeAlias = tuple[tuple[Model, str | None]]
"""The one model of a combo and the combo's proxy, in the shape of a walk over its members."""


class Combo(Struct, frozen=True, eq=False, kw_only=True):
    """What a name stands for, ready to be walked. Stages are never empty; there may be none."""

    name: str  # "" for a plain target
    strategy: str
    sticky_limit: int
    tiered: bool
    proxy: str | None
    stages: tuple[Stage, ...]
    absent: tuple[Absent, ...]  # of nested combos as well
    sole: Sole | None  # when there is one member and that is a model

    @property
    def members(self) -> tuple[Member, ...]:
        """In the order of the stages."""
        return tuple(member for stage in self.stages for member in stage.members)


def objection(provider: ProviderView, model: str, *, has_account: bool) -> GatewayError | None:
    """Why a provider's model cannot be served under this configuration; None when it can."""
    if provider.needs:
        return GatewayError(
            ErrorKind.NOT_CONFIGURED, f"{provider.name}: {provider.needs}", param="model"
        )
    if not has_account:
        return GatewayError(
            ErrorKind.NOT_CONFIGURED,
            f"Provider {provider.id!r} has no connection; add a [[connections]] entry with "
            f'provider = "{provider.id}" and an api_key.',
            param="model",
        )
    if model in provider.models_off:
        return GatewayError(
            ErrorKind.UNKNOWN_MODEL,
            f"The model {model!r} of provider {provider.id!r} is switched off.",
            param="model",
        )
    if provider.restrict and all(model != each.id for each in provider.models):
        known = ", ".join(sorted(each.id for each in provider.models)) or "none"
        return GatewayError(
            ErrorKind.UNKNOWN_MODEL,
            f"Provider {provider.id!r} is restricted to its listed models ({known}); "
            f"{model!r} is not one of them.",
            param="model",
        )
    return None


def model_of(provider: ProviderView, model: str) -> Model:
    """A model of a provider. Accounts take turns per provider, whatever the model."""
    return Model(
        provider=provider,
        model=model,
        rank=rank_of(provider.tier),
        order=STRATEGIES[provider.strategy],
        turn=Turn(f"accounts:{provider.id}", provider.sticky_limit),
    )


def model_member(model: Model, weight: float = 1.0) -> Member:
    """A model as a member."""
    return Member(of=model, weight=weight, providers=frozenset((model.provider.id,)))


def combo_member(combo: Combo, weight: float = 1.0) -> Member:
    """A combo as a member of another."""
    providers = (provider for member in combo.members for provider in member.providers)
    return Member(of=combo, weight=weight, providers=frozenset(providers))


def combo(
    name: str,
    members: Iterable[Member],
    *,
    strategy: str = "priority",
    sticky_limit: int = 1,
    tiered: bool = False,
    proxy: str | None = None,
    absent: Iterable[Absent] = (),
    from_rank: int = 0,
) -> Combo:
    """A combo of members. A nested combo that has none is left out; what it lacks is told.

    A tiered one begins with the tier of `from_rank`: members of earlier ones are left out.
    """
    found = tuple(members)
    lacking = list(absent)
    for member in found:
        if isinstance(member.of, Combo):
            lacking += member.of.absent
    found = tuple(member for member in found if member.providers)
    if tiered:
        tiers = ((rank, _of_tier(found, rank)) for rank in range(from_rank, len(TIERS) + 1))
        cut = [(f"combo:{name}:{rank}", own) for rank, own in tiers if own]
    else:
        cut = [(f"combo:{name}", found)] if found else []
    order = STRATEGIES[strategy]
    prefers = strategy in PREFERRING
    standing = [member for _, own in cut for member in own]
    only = standing[0].of if len(standing) == 1 else None
    return Combo(
        name=name,
        strategy=strategy,
        sticky_limit=sticky_limit,
        tiered=tiered,
        proxy=proxy,
        stages=tuple(Stage(own, order, Turn(key, sticky_limit), prefers) for key, own in cut),
        absent=tuple(dict.fromkeys(lacking)),
        sole=((only, proxy),) if isinstance(only, Model) else None,
    )


def _of_tier(members: tuple[Member, ...], rank: int) -> tuple[Member, ...]:
    """The members of one tier; of nested combos what they have in it, ordered as they order."""
    found = []
    for member in members:
        if isinstance(member.of, Model):
            if member.of.rank == rank:
                found.append(member)
            continue
        whole = member.of
        stages = []
        for stage in whole.stages:
            own = _of_tier(stage.members, rank)
            if own:
                key = f"{stage.turn.key}:{rank}"
                turn = Turn(key, whole.sticky_limit)
                stages.append(Stage(own, stage.order, turn, stage.prefers))
        if stages:
            part = Combo(
                name=whole.name,
                strategy=whole.strategy,
                sticky_limit=whole.sticky_limit,
                tiered=whole.tiered,
                proxy=whole.proxy,
                stages=tuple(stages),
                absent=(),
                sole=None,
            )
            found.append(combo_member(part, member.weight))
    return tuple(found)


def bound(
    views: Iterable[ComboView],
    providers: Mapping[str, ProviderView],
    with_accounts: frozenset[str],
) -> dict[str, Combo]:
    """All combos of a snapshot by name, their members bound to providers. None reaches itself."""
    by_name = {view.name: view for view in views}
    done: dict[str, Combo] = {}

    def bind(view: ComboView) -> Combo:
        if view.name in done:
            return done[view.name]
        members: list[Member] = []
        absent: list[Absent] = []
        for member in view.members:
            if member.combo:
                inner = by_name.get(member.combo)
                if inner is None:
                    absent.append(Absent(member.combo, "no combo of that name is enabled"))
                else:
                    members.append(combo_member(bind(inner), member.weight))
                continue
            target = f"{member.provider}/{member.model}"
            provider = providers.get(member.provider)
            if provider is None:
                absent.append(Absent(target, f"provider {member.provider!r} is not configured"))
                continue
            wrong = objection(provider, member.model, has_account=provider.id in with_accounts)
            if wrong is not None:
                absent.append(Absent(target, wrong.message))
            else:
                members.append(model_member(model_of(provider, member.model), member.weight))
        done[view.name] = combo(
            view.name,
            members,
            strategy=view.strategy,
            sticky_limit=view.sticky_limit,
            tiered=view.tiered,
            proxy=view.proxy,
            absent=absent,
        )
        return done[view.name]

    for view in by_name.values():
        bind(view)
    return done
