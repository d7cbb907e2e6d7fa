"""Question sets as flat forms: a field for every attribute and question, for callers that know no lists."""
