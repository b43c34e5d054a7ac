"""A trained network as a service: the bundle that a provider runs, the server, and the owner's client."""

from typing import TYPE_CHECKING, Any

from vitcrypt.service.bundle import Bundle

if TYPE_CHECKING:
    from vitcrypt.service.client import Client

__all__ = ["Bundle", "Client"]


def __getattr__(name: str) -> Any:
    """Load the client when it is asked for: a server has no use for it, nor for the torch that it brings."""
    if name == "Client":
        from vitcrypt.service.client import Client

        return Client
    raise AttributeError(name)
