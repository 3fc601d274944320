"""The session as Markdown: a pull request, a comment, a job's page. Pure; knows no network and no git."""
