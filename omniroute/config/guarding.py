"""Settings that protect the owner: who may connect, what is looked at, what is kept how long."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.config.setting import AtLeastOne, Setting

FilterMode = Literal["off", "blacklist", "whitelist"]
GuardMode = Literal["off", "warn", "block"]
Severity = Literal["high", "medium"]

_DAYS_MAX = 36_500
_ROWS_MAX = 1_000_000_000

_NETWORKS = "Addresses and networks, such as `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`"


class IpFilterSettings(Setting, frozen=True, kw_only=True):
    """From which addresses the data plane may be used. Bans hold in every mode.
    The dashboard's own port is not concerned, so nobody can lock himself out of it.
    """

    mode: Annotated[
        FilterMode,
        Meta(
            description="`blacklist`: all but those of `blacklist`. `whitelist`: those of "
            "`whitelist` only, and of them none that is on the blacklist, too."
        ),
    ] = "off"
    blacklist: Annotated[tuple[str, ...], Meta(description=f"{_NETWORKS}.")] = ()
    whitelist: Annotated[tuple[str, ...], Meta(description=f"{_NETWORKS}.")] = ()


class AddressLimitSettings(Setting, frozen=True, kw_only=True):
    """What one address may do in a minute, whichever key it sends. Counted by each worker."""

    rpm: Annotated[
        AtLeastOne | None,
        Meta(description="Requests a minute from one address; so many may come at once."),
    ] = None
    failed_keys: Annotated[
        AtLeastOne | None,
        Meta(
            description="Requests with an unknown key a minute; an address with more is banned. "
            "This machine itself and trusted proxies never are."
        ),
    ] = None
    ban_s: Annotated[float, Meta(ge=1, le=31_536_000, description="How long that ban lasts.")] = (
        900.0
    )


class InjectionGuardSettings(Setting, frozen=True, kw_only=True):
    """A look at what users write, for texts that try to take over the model.
    It knows the usual wordings and is no proof against others. What stands in code or in quotes
    counts one step less, so that talking about such texts is not taken for using them.
    """

    mode: Annotated[
        GuardMode,
        Meta(
            description="`warn`: header `X-OmniRoute-Guard`, log and record. `block`: refuse what "
            "is severe with 400, warn of the rest."
        ),
    ] = "off"
    block_from: Annotated[
        Severity, Meta(description="The least severe findings that `block` refuses.")
    ] = "high"


class CaptureSettings(Setting, frozen=True, kw_only=True):
    """Bodies of requests and answers, kept encrypted for a look at them later.
    As the client and as the upstream saw them, headers excluded, credentials taken out.
    """

    enabled: Annotated[bool, Meta(description="For all keys that say nothing themselves.")] = False
    body_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=4 << 20,
            description="Kept of each body at most: its beginning and its end, half each. A "
            "running request holds about four of them in memory.",
        ),
    ] = 65536


class RetentionSettings(Setting, frozen=True, kw_only=True):
    """How long the history keeps what. 0 keeps without limit."""

    requests_days: Annotated[
        int,
        Meta(
            ge=0,
            le=_DAYS_MAX,
            description="Finished requests. Budgets and quotas that have to be rebuilt know no "
            "more than is kept, so let this cover their periods.",
        ),
    ] = 90
    requests_rows: Annotated[int, Meta(ge=0, le=_ROWS_MAX, description="The same by number.")] = (
        5_000_000
    )
    bodies_days: Annotated[int, Meta(ge=0, le=_DAYS_MAX, description="Captured bodies.")] = 7
    bodies_rows: Annotated[
        int, Meta(ge=0, le=_ROWS_MAX, description="The same by number of bodies.")
    ] = 100_000
    rollups_days: Annotated[
        int, Meta(ge=0, le=_DAYS_MAX, description="Hourly sums, which analytics are made of.")
    ] = 730
    audit_days: Annotated[int, Meta(ge=0, le=_DAYS_MAX, description="The audit record.")] = 365
    audit_rows: Annotated[int, Meta(ge=0, le=_ROWS_MAX, description="The same by number.")] = (
        1_000_000
    )
    proxy_log_days: Annotated[
        int, Meta(ge=0, le=_DAYS_MAX, description="Connects through proxies.")
    ] = 7
    proxy_log_rows: Annotated[int, Meta(ge=0, le=_ROWS_MAX, description="The same by number.")] = (
        100_000
    )


class BackupSettings(Setting, frozen=True, kw_only=True):
    """Backups on schedule, in the data directory's `backups`. After each, those beyond the bounds
    are deleted, whatever they were taken for; the latest stays.
    """

    every_h: Annotated[
        float, Meta(ge=0, le=8_760, description="Hours from one to the next; 0 takes none.")
    ] = 24.0
    keep: Annotated[int, Meta(ge=1, le=10_000, description="How many are kept.")] = 20
    keep_days: Annotated[
        int, Meta(ge=0, le=_DAYS_MAX, description="How long they are kept; 0 is no limit.")
    ] = 0
