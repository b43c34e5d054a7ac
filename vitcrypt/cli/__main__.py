"""`python -m vitcrypt.cli`."""

from vitcrypt.cli import main

main()
