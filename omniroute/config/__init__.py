"""Settings: what a person may configure, from command line, environment, file and defaults.

`load` gives validated `Settings` or raises `ConfigError`. Nothing here knows the registry of
providers or the data directory's secrets; `omniroute.snapshot` joins those.
"""

from omniroute.config.errors import ConfigError
from omniroute.config.loading import find_config_file, find_data_dir, load
from omniroute.config.schema import (
    AdminSettings,
    ConnectionSettings,
    KeySettings,
    LimitSettings,
    LogSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
    StateSettings,
    UpstreamSettings,
)

__all__ = [
    "AdminSettings",
    "ConfigError",
    "ConnectionSettings",
    "KeySettings",
    "LimitSettings",
    "LogSettings",
    "ProviderSettings",
    "ServerSettings",
    "Settings",
    "StateSettings",
    "UpstreamSettings",
    "find_config_file",
    "find_data_dir",
    "load",
]
