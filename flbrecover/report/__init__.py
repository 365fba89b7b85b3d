"""Shows results: text, JSON lines, progress. Escapes what came from outside."""
