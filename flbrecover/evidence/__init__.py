"""Reads the node, read-only: nothing here can change a byte, a name or a time of the evidence."""
