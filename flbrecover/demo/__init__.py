"""A captured incident, a real S3 server, and a walk through both with the real commands."""
