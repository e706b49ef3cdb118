"""Connections as a worker uses them: credentials encrypted, limits as meters."""

from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings
from omniroute.compiling.meters import connection_meters
from omniroute.compiling.providers import endpoint
from omniroute.config import ConnectionSettings, Settings
from omniroute.config.urls import names_private_host, root_url
from omniroute.installation import Installation
from omniroute.snapshot import ConnectionView, ProviderView


class ConnectionCompiler:
    """Makes the views of one provider's connections after the other's."""

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        installation: Installation,
        findings: Findings,
    ) -> None:
        self._queue_wait_s = settings.resilience.queue_wait_s
        self._directory = directory
        self._installation = installation
        self._findings = findings

    def views(self, provider: ProviderView) -> list[ConnectionView]:
        """The connections that are on. What wants no credential gets one by itself."""
        own = self._directory.connections.get(provider.id, [])
        if not own and not provider.needs:
            # Nothing to sign in with and nothing missing: a local server, or one of one's own.
            own = [(-1, ConnectionSettings(provider=provider.id, name="default"))]
        own = [(index, wish) for index, wish in own if wish.enabled]
        row = self._directory.rows.get(provider.id)
        for index, wish in own:
            # With a root of one's own it may be a server without keys; a sign-in may come later.
            at_vendor = (
                row is not None and wish.base_url is None and provider.base_url == row.base_url
            )
            wants_key = row is not None and provider.auth_header != "" and not row.sign_in
            if at_vendor and wants_key and not wish.api_key and not _has_fixed(provider):
                self._findings.refuse(
                    ("connections", index, "api_key"),
                    f"is missing: {provider.name} wants one",
                    'best as api_key = "env:NAME"',
                )
        return [self._view(provider, wish) for _, wish in own]

    def _view(self, provider: ProviderView, wish: ConnectionSettings) -> ConnectionView:
        row = self._directory.rows.get(provider.id)
        of_format = row if row is not None and row.format == provider.format else None
        root = wish.base_url
        secret = wish.api_key.encode()
        id_ = f"{provider.id}/{wish.name}"
        return ConnectionView(
            id=id_,
            provider=provider.id,
            name=wish.name,
            url=endpoint(of_format, provider.format, root) if root else provider.url,
            secret=self._installation.encrypt(secret) if secret else b"",
            base_url=root_url(provider.format, root) if root else None,
            proxy=wish.proxy,
            priority=wish.priority,
            allow_private=provider.allow_private or (root is not None and names_private_host(root)),
            meters=connection_meters(id_, wish),
            queue_wait_s=self._queue_wait_s if wish.queue_wait_s is None else wish.queue_wait_s,
            quota_threshold=wish.quota_threshold,
        )


def _has_fixed(provider: ProviderView) -> bool:
    """Do the fixed headers carry a credential already?"""
    return any(name == provider.auth_header for name, _ in provider.headers)
