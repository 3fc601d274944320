"""The github room: push, one pull request, checks. Reads the notebook only."""
