"""Qualify by a flat form: read it for the question set it is about, qualify, and answer flat."""

from typing import Any

from app.forms.form import Form, FormAnswer
from app.forms.reading import read_form
from app.prospects.aliases import translated
from app.prospects.wire import Link
from app.scoring import NextQuestion, Reason, Score
from app.sessions import flow
from app.sessions.case import Work
from app.sessions.views import Qualified, SessionOut

LISTS = ("knocked_out_by", "held_back_by")

# Of every session; there is the estimate of each dimension besides.
FIGURES = FormAnswer.model_fields.keys() - {"prospect_created", "session_opened", "ignored"}

# What is told under the same name, but for what is a list or an object there.
OF_SESSION = FIGURES & SessionOut.model_fields.keys() - {"score", "decision", "outcome"}
OF_SCORE = FormAnswer.model_fields.keys() & Score.model_fields.keys() - {"question_set", *LISTS}


def qualify_by_form(work: Work, named: str, form: Form) -> FormAnswer:
    """All in one, as `qualify` does it, with the question set `named`.

    Raises `Flawed` for a field that the set knows and that cannot be used.
    """
    link = Link(source=form.source, external_id=form.external_id)
    plan = flow.plan_to_qualify(work, link, form.deal, named)
    fields = translated(work.tx, form.source, form.fields)
    request, ignored = read_form(plan, named, form, fields)
    return _answer(flow.qualify(work, request), ignored)


def _answer(qualified: Qualified, ignored: list[str]) -> FormAnswer:
    return FormAnswer(
        **figures_of(qualified),
        prospect_created=qualified.prospect_created,
        session_opened=qualified.session_opened,
        ignored=ignored,
    )


def figures_of(session: SessionOut) -> dict[str, Any]:
    """A session and its score, flat: `FIGURES`, and the estimate of every dimension."""
    score = session.score
    return {
        **{name: getattr(session, name) for name in OF_SESSION},
        **{name: getattr(score, name) for name in OF_SCORE},
        **_reasons(score),
        **{estimate_field(dimension.key): dimension.estimate for dimension in score.dimensions},
        "decision": session.decision.decision if session.decision else None,
        "outcome": session.outcome.outcome if session.outcome else None,
    }


def _reasons(score: Score) -> dict[str, str | None]:
    """Of each list of questions the first one, or all their keys in one text."""
    firsts: dict[str, list[Reason] | list[NextQuestion]] = {
        "top_strength": score.strengths[:1],
        "top_gap": score.gaps[:1],
        "next_question": score.next_questions[:1],
    }
    said: dict[str, str | None] = {name: ", ".join(getattr(score, name)) or None for name in LISTS}
    for name, lines in firsts.items():
        said[name] = lines[0].question if lines else None
        said[f"{name}_text"] = lines[0].text if lines else None
    return said


def estimate_field(dimension: str) -> str:
    """The answer's field for the estimate of a dimension."""
    return f"{dimension}_score"
