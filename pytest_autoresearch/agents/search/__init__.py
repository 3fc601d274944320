"""The embedded agents: search over the knobs of the target files, without a model."""

NAMES = ("auto", "sweep", "grid", "random", "bayes", "parzen", "duo")
"""Every strategy by its name as an agent; the first is the default. Known here: most sessions load one, or none."""
