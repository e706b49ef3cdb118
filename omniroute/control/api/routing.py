"""Names that stand for others: aliases, wildcard routes (model to combo), fallback chains."""

from omniroute.config import AliasSettings, FallbackChainSettings, RouteSettings
from omniroute.control.api.things import Area, routes

ALIASES = Area("alias", AliasSettings, "/api/aliases", "Alias", "aliases")
MAPPINGS = Area(
    "route", RouteSettings, "/api/model-combo-mappings", "ModelComboMapping", "mappings"
)
CHAINS = Area("chain", FallbackChainSettings, "/api/fallback/chains", "FallbackChain", "chains")

ROUTES = (*routes(ALIASES), *routes(MAPPINGS), *routes(CHAINS))
