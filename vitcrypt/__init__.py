"""Image classification on encrypted images.

The owner of the images encrypts them with a secret key; a server that nobody trusts trains and predicts on them and
never sees key or image. The system is that of Qi, MaungMaung, Kinoshita and Kiya, "Privacy-Preserving Image
Classification Using Vision Transformer" (EUSIPCO 2022), together with the schemes and networks it is compared with.
"""

import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

__version__ = "0.2.0"


def lazily(room: str, holding: Callable[[str], Iterable[ModuleType]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a room whose `__all__` names more than it loads.

    Args:
        room: Its `__name__`.
        holding: Imports modules where such a name may be, and returns them.
    """

    def found(name: str) -> Any:
        here = vars(sys.modules[room])
        if name not in here["__all__"]:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        for module in holding(name):
            here.update({given: value for given, value in vars(module).items() if given in here["__all__"]})
        return here[name]

    return found
