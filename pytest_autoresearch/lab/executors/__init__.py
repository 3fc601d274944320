"""Where jobs run: on this machine, or on another."""
