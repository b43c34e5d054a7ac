"""The jigsaw attack on block scrambling and pixel shuffling."""

from vitcrypt.attacks.jigsaw.attack import Jigsaw as Jigsaw
