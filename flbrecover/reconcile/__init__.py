"""Pure: evidence and objects in, states and a plan out. No files, no network, no clock."""
