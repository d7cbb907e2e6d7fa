"""Qualify by a flat form: read it for the question set it is about, qualify, and answer flat."""

from typing import Any

from app.forms.form import Form, FormAnswer
from app.forms.reading import read_form
from app.prospects.aliases import translated
from app.prospects.wire import Link
from app.scoring import Reason, Score, in_words
from app.sessions import flow
from app.sessions.case import Work
from app.sessions.views import Qualified, SessionOut

# Of every session; there is the estimate of each dimension besides.
FIGURES = FormAnswer.model_fields.keys() - {"prospect_created", "session_opened", "ignored"}

# What is told under the same name, but for what is a list or an object there.
OF_SESSION = FIGURES & SessionOut.model_fields.keys() - {"score", "decision", "outcome"}
OF_SCORE = FormAnswer.model_fields.keys() & Score.__annotations__.keys() - {
    "question_set",
    "blockers",
    "must_answer",
    "missing_attributes",
    "unread_attributes",
}


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
        **{name: value for name, value in score.items() if name in OF_SCORE},
        **_reasons(score),
        **{estimate_field(dimension["key"]): dimension["estimate"] for dimension in score["dimensions"]},
        "decision": session.decision.decision if session.decision else None,
        "outcome": session.outcome.outcome if session.outcome else None,
    }


def _reasons(score: Score) -> dict[str, str | None]:
    """Of each list of questions the first one in words, or all their keys in one text."""
    strength, gap = _first(score["strengths"]), _first(score["gaps"])
    following = score["next_questions"][0] if score["next_questions"] else None
    missing = [one["attribute"] for one in score["missing_attributes"] if one["questions"]]
    return {
        "blockers": _in_one([blocker["question"] for blocker in score["blockers"]]),
        "must_answer": _in_one(score["must_answer"]),
        "missing_attributes": _in_one(missing),
        "unread_attributes": _in_one([one["attribute"] for one in score["unread_attributes"]]),
        "top_strength": in_words(strength) if strength else None,
        "top_strength_key": strength["question"] if strength else None,
        "top_gap": in_words(gap) if gap else None,
        "top_gap_key": gap["question"] if gap else None,
        "next_question": following["text"] if following else None,
        "next_question_key": following["question"] if following else None,
    }


def _first(reasons: list[Reason]) -> Reason | None:
    return reasons[0] if reasons else None


def _in_one(keys: list[str]) -> str | None:
    return ", ".join(keys) or None


def estimate_field(dimension: str) -> str:
    """The answer's field for the estimate of a dimension."""
    return f"{dimension}_score"
