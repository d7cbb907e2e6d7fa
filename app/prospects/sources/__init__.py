"""Sources: how their external ids are compared, and what their values mean."""
