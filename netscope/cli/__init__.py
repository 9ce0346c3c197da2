"""The command line: a thin module for each command, imported when it is the requested one."""
