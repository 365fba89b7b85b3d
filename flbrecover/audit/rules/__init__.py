"""The rules, one function each; docs/audit.md has a section for each of them."""
