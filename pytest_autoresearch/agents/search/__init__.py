"""The embedded agents: search over the knobs of the target files, without a model."""
