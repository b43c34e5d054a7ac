"""Known and chosen plaintext attacks."""

from vitcrypt.attacks.plaintext.attack import ChosenPlaintext as ChosenPlaintext
from vitcrypt.attacks.plaintext.attack import KnownPlaintext as KnownPlaintext
