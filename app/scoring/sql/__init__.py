"""The scoring plan as SQL text, for who has the answers in a database or a warehouse."""

from app.scoring.sql.sources import Long, Wide, source_of
from app.scoring.sql.statement import DIALECTS, Dialect, score_sql

__all__ = ["DIALECTS", "Dialect", "Long", "Wide", "score_sql", "source_of"]
