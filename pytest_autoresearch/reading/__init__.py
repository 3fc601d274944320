"""Reading the sources of targets: what is called, what is bound to which name. Executes and writes nothing.

No reader raises for what a file holds: what can not be read is :class:`Unread` with the reason, and costs time in
proportion to its length.
"""
