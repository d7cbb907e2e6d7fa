"""Ready-made mappings: what the systems send is theirs, what is asked is the question set's."""

from functools import cache
from pathlib import Path

from pydantic import Field

from app.intake.wire import IntakeTemplate, MappingOut
from app.scoring import Plan
from app.wire import In, Scalar

FILES = Path(__file__).parent / "ready_made"


class _Written(In):
    """A ready-made mapping as it is written down; `field` is where a field of any name stands.

    In it `{field}` is the key of a question or an attribute, and `{Field}` that with Capital_Letters.
    """

    title: str
    about: str
    source: str
    external_id: str
    name: str | None = None
    deal: str | None = None
    field: str
    known: dict[str, str] = Field(default={}, description="where the system itself has an attribute")
    absent: list[Scalar] = []
    each: str | None = None


def fill_in(plan: Plan) -> list[IntakeTemplate]:
    """Every ready-made mapping with a pointer for each question and attribute of a question set."""
    return [_filled(name, written, plan) for name, written in _all().items()]


@cache
def _all() -> dict[str, _Written]:
    return {
        path.stem: _Written.model_validate_json(path.read_text("utf-8"))
        for path in sorted(FILES.glob("*.json"))
    }


def _filled(name: str, written: _Written, plan: Plan) -> IntakeTemplate:
    def place(field: str) -> str:
        return written.field.replace("{field}", field).replace("{Field}", field.title())

    return IntakeTemplate(
        name=name,
        title=written.title,
        about=written.about,
        question_set=plan.name,
        mapping=MappingOut(
            **written.model_dump(include={"source", "external_id", "name", "deal", "absent", "each"}),
            attributes={
                attribute: written.known.get(attribute) or place(attribute)
                for attribute in plan.question_set.attributes
            },
            ratings={question: place(question) for question in plan.questions},
        ),
    )
