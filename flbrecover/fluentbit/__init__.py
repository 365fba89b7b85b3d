"""What Fluent Bit writes, as pure functions: bytes in, values out. One module a format."""
