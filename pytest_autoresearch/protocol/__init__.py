"""The protocol room: what is optimised and under which rules."""
