"""The agents room: who proposes. Knows no git, no judge; edits the workspace it is given and nothing else."""
