"""From a configuration to a recorded result: schema, checks, identity, job, training, attack, record."""
