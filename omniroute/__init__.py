"""OmniRoute: a self-hosted AI gateway; one endpoint for every agent and every provider."""

__version__ = "0.1.0"
