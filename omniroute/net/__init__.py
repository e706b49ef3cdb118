"""Sockets: readiness and transports, and the one way out to other machines, with its policy.

Gateway and control both stand on it. Everything that leaves this machine goes through `connector`,
where the egress policy, proxies and TLS are.
"""
