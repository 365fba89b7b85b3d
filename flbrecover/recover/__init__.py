"""Brings evidence and bucket together, and carries a plan out."""
