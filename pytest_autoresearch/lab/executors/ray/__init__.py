"""Slots on the nodes of a Ray cluster: an actor each, and a runner of ours on the node that owns what is started."""
