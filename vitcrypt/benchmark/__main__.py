"""`python -m vitcrypt.benchmark`: the process in which `vitcrypt benchmark` judges a scheme."""

import sys

from vitcrypt.jobs import interrupt

with interrupt.told():
    from vitcrypt.benchmark.program import main
    from vitcrypt.experiment.errors import explained

    with explained("config"):
        main(sys.argv[1:])
