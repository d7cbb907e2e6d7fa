"""Record updates: write figures into the records of other systems."""
