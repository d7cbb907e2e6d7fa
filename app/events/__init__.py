"""Events: what happened, told in the transaction in which it happens, and read in one order."""
