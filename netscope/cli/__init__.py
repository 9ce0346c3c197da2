"""The command line: one thin file per command. Imports torch only when a command runs."""
