"""Tools for developing the service. Nothing here is installed."""
