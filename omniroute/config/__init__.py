"""Settings: what a person may configure, from command line, environment, file and database.

`load` gives validated `Settings` or raises `ConfigError`. Nothing here knows the registry of
providers or the data directory's secrets; `omniroute.snapshot` joins those.
"""

from omniroute.config.errors import ConfigError, StoredName
from omniroute.config.guarding import (
    AddressLimitSettings,
    BackupSettings,
    CaptureSettings,
    InjectionGuardSettings,
    IpFilterSettings,
    RetentionSettings,
)
from omniroute.config.loading import find_config_file, find_data_dir, load
from omniroute.config.providing import (
    ConnectionSettings,
    ModelSettings,
    PriceSettings,
    ProviderSettings,
    QuotaSettings,
)
from omniroute.config.routing import (
    AliasSettings,
    CacheSettings,
    ComboMember,
    ComboSettings,
    FallbackChainSettings,
    ResilienceSettings,
    RouteSettings,
    RoutingSettings,
)
from omniroute.config.schema import (
    Settings,
)
from omniroute.config.serving import (
    AdminSettings,
    LimitSettings,
    LogSettings,
    ServerSettings,
    StateSettings,
    UpstreamSettings,
)
from omniroute.config.spending import (
    BudgetSettings,
    KeySettings,
    PromptSettings,
    ScheduleSettings,
    SharedBudgetSettings,
    ThinkingSettings,
)
from omniroute.config.stored import Stored

__all__ = [
    "AddressLimitSettings",
    "AdminSettings",
    "AliasSettings",
    "BackupSettings",
    "BudgetSettings",
    "CacheSettings",
    "CaptureSettings",
    "ComboMember",
    "ComboSettings",
    "ConfigError",
    "ConnectionSettings",
    "FallbackChainSettings",
    "InjectionGuardSettings",
    "IpFilterSettings",
    "KeySettings",
    "LimitSettings",
    "LogSettings",
    "ModelSettings",
    "PriceSettings",
    "PromptSettings",
    "ProviderSettings",
    "QuotaSettings",
    "ResilienceSettings",
    "RetentionSettings",
    "RouteSettings",
    "RoutingSettings",
    "ScheduleSettings",
    "ServerSettings",
    "Settings",
    "SharedBudgetSettings",
    "StateSettings",
    "Stored",
    "StoredName",
    "ThinkingSettings",
    "UpstreamSettings",
    "find_config_file",
    "find_data_dir",
    "load",
]
