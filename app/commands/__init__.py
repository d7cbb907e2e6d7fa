"""The subcommands of `prospect-fit`."""
