"""The command line: one module per command group, which only parses, prints and calls."""
