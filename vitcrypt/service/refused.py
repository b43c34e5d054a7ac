"""Saying no to a client."""


class RefusedError(Exception):
    """A request that is answered with a status of 4xx and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
