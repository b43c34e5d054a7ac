"""A trained network as a service: the bundle that a provider runs, the server, and the owner's client."""

from vitcrypt.service.bundle import Bundle

__all__ = ["Bundle"]
