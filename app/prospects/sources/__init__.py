"""What holds for the prospects of one source: how its ids are compared, and what its values mean."""
