"""Question sets as flat forms: one field for each attribute and question."""
