"""Accounts for every record that Fluent Bit should have put into S3, and puts back what is missing."""

__version__ = "0.1.0"
