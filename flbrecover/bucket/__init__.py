"""The only package that talks to S3."""
