"""Autoresearch as a pytest plugin: propose, measure, judge, record; git is the lab notebook."""

__version__ = "0.1.0"
