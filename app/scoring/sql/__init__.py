"""The scoring plan as SQL text, for answers that are in a database or a warehouse."""

from app.scoring.sql.dialects import DIALECTS, Dialect
from app.scoring.sql.sources import Long, Wide, source_of
from app.scoring.sql.statement import score_sql

__all__ = ["DIALECTS", "Dialect", "Long", "Wide", "score_sql", "source_of"]
