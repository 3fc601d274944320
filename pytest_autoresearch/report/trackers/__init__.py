"""Trackers of other people, each behind a process: ``python -m pytest_autoresearch.report.trackers NAME``."""
