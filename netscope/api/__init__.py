"""The use cases: what the command line does, for Python. Each is imported from its own module."""
