"""flbrecover: account for every record that Fluent Bit should have put into S3, and put back what is missing."""

__version__ = "0.1.0"
