"""`python -m vitcrypt`: the console script."""

from vitcrypt.cli import main

main()
