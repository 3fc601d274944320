"""The lab room: runs what nobody trusts and reads one number from it. Knows no git, no judge, no agent."""
