"""The commands of ``pytest-autoresearch``, one module each: ``configure(parser)`` and ``run(args) -> int``."""
