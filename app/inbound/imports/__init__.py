"""Import prospects from files of any size."""
