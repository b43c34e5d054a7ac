"""The console script `vitcrypt`: one verb for each thing that an owner, a provider or a researcher does."""

from vitcrypt.jobs import interrupt

with interrupt.told():
    from vitcrypt.cli.main import main as main
