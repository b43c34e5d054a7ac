"""The jigsaw attack: moved blocks are the pieces of a puzzle, as they are (Proposed) or in 96 states each (EtC)."""

from vitcrypt.attacks.jigsaw.attack import Jigsaw as Jigsaw
