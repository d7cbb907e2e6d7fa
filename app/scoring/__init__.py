"""The scoring plan: pure functions from a question set, answers and attributes to a score."""

from app.scoring.answers import (
    Answer,
    Answers,
    Evidence,
    Rating,
    Sent,
    State,
    ratings_sent,
    read_answers,
    whole,
)
from app.scoring.assessment import assess, indicated
from app.scoring.attributes import holds, meets, read_attributes, read_number, read_stored
from app.scoring.effects import compared_with, mentioned
from app.scoring.flaws import (
    Flaw,
    Flawed,
    UnknownName,
    check_field_count,
    form,
    parts_of,
    pointer,
    shape_flaw,
    shape_flaws,
    with_hints,
)
from app.scoring.plan import Plan
from app.scoring.planned_question import QuestionState, ScoredState
from app.scoring.portfolio import CELLS, Cell, Placement, Side, placement
from app.scoring.question_set import (
    NAME,
    SET_KEY,
    SET_NAME,
    Condition,
    Portfolio,
    Question,
    QuestionSet,
    Step,
    Subject,
)
from app.scoring.reasons import in_words
from app.scoring.repair import Place, Repaired, is_filled_in, repair
from app.scoring.result import (
    Blocker,
    Figures,
    Indication,
    Leaning,
    RatedBy,
    Reason,
    Score,
    Shared,
    Verdict,
)
from app.scoring.rules import Checked, check_question_set, read_question_set
from app.scoring.score import Judged, judge, score
from app.scoring.summary import summarise
from app.scoring.tally import Tally
from app.scoring.texts import folded, is_blank
from app.scoring.totals import Totals
from app.scoring.unknown_places import FURTHER_QUESTIONS
from app.scoring.verdict import VerdictRecord, read_verdict, verdict_record
from app.scoring.words import listed, rounded

__all__ = [
    "CELLS",
    "FURTHER_QUESTIONS",
    "NAME",
    "SET_KEY",
    "SET_NAME",
    "Answer",
    "Answers",
    "Blocker",
    "Cell",
    "Checked",
    "Condition",
    "Evidence",
    "Figures",
    "Flaw",
    "Flawed",
    "Indication",
    "Judged",
    "Leaning",
    "Place",
    "Placement",
    "Plan",
    "Portfolio",
    "Question",
    "QuestionSet",
    "QuestionState",
    "RatedBy",
    "Rating",
    "Reason",
    "Repaired",
    "Score",
    "ScoredState",
    "Sent",
    "Shared",
    "Side",
    "State",
    "Step",
    "Subject",
    "Tally",
    "Totals",
    "UnknownName",
    "Verdict",
    "VerdictRecord",
    "assess",
    "check_field_count",
    "check_question_set",
    "compared_with",
    "folded",
    "form",
    "holds",
    "in_words",
    "indicated",
    "is_blank",
    "is_filled_in",
    "judge",
    "listed",
    "meets",
    "mentioned",
    "parts_of",
    "placement",
    "pointer",
    "ratings_sent",
    "read_answers",
    "read_attributes",
    "read_number",
    "read_question_set",
    "read_stored",
    "read_verdict",
    "repair",
    "rounded",
    "score",
    "shape_flaw",
    "shape_flaws",
    "summarise",
    "verdict_record",
    "whole",
    "with_hints",
]
