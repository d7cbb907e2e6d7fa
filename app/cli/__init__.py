"""The command line, `prospect-fit`."""
