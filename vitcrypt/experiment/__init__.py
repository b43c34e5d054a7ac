"""From a configuration to a recorded result: schema, checks, identity, job, training, attack, record."""

import os

# On a busy machine, threads that spin cost a factor of ten. OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
