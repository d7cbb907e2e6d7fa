"""The base of the tables."""

from sqlmodel import SQLModel


class Table(SQLModel):
    """The base of all tables. Rows are not validated, so pydantic builds a validator only if it is used."""

    model_config = {"defer_build": True}
