"""The summary of a score: plain sentences for a sales leader, true in every state."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from app.scoring.assessment import Assessment
from app.scoring.planned_question import QuestionState
from app.scoring.result import Indication, MissingAttribute
from app.scoring.totals import Totals
from app.scoring.units import units_of
from app.scoring.words import all_listed, capitalised, counted, is_or_are, is_plural, joined, listed

MAX_CLAUSES = 3
MAX_FACTS = 5


def summarise(assessment: Assessment) -> str:
    """The indication, how much is known, and what prevents a fit: one to three sentences."""
    sentences = _sentences(assessment)
    if _is_mostly_assumed(assessment.totals):
        sentences.append("More than half of what is rated rests on assumptions.")
    return " ".join(sentences)


def _sentences(assessment: Assessment) -> list[str]:
    if assessment.indication in SETTLED:
        return SETTLED[assessment.indication](assessment)
    if not assessment.units.have_weight:
        return _unscorable(assessment)
    if not assessment.units.can_be_reportable:
        return _too_much_not_applicable(assessment)
    if not assessment.units.reportable:
        return _too_early(assessment)
    if assessment.leaning is None:
        return _without_thresholds(assessment)
    return _leaning(assessment)


def _fit(assessment: Assessment) -> list[str]:
    on = " on both sides" if assessment.plan.reciprocal else ""
    still = ", however the open questions are answered" if assessment.open else ""
    return [f"A fit{on}{still}: {assessment.of_100(assessment.score)}.", _weakest_point(assessment.totals)]


def _weakest_point(totals: Totals) -> str:
    """The questions with the lowest rating, or that all ratings are the same."""
    rated = [(s.rating or 0, s.asked.label) for s in totals.rated if s.question.weight]
    lowest = min(rating for rating, _ in rated)
    labels = [label for rating, label in rated if rating == lowest]
    if len(labels) == len(rated):
        which = "The only" if len(rated) == 1 else "Every"
        # Ratings of weight 0 and of gated steps do not count, and may differ.
        return f"{which} rating that counts is {lowest}."
    if len(labels) > 1:
        return f"The weakest points are {listed(labels)}, each rated {lowest}."
    if is_plural(labels[0]):
        return f"{capitalised(labels[0])} are the weakest point, rated {lowest}."
    return f"The weakest point is {labels[0]}, rated {lowest}."


def _no_fit(assessment: Assessment) -> list[str]:
    if assessment.must.missed_knock_outs:
        return [_knocked_out(assessment)]
    below = assessment.thresholds.no_fit_below
    weak = assessment.weak_clauses(assessment.totals.dimensions)
    if assessment.plan.reciprocal:
        return [f"Not a fit: {joined(weak)}."]
    sentence = f"Not a fit: {_too_low(assessment.reaches(assessment.totals.total), below)}."
    if len(weak) > MAX_CLAUSES:
        weak = [*weak[: MAX_CLAUSES - 1], f"{len(weak) - MAX_CLAUSES + 1} more parts are weak"]
    return [sentence, f"{capitalised(joined(weak))}."] if weak else [sentence]


def _too_low(figure: str, below: int) -> str:
    return f"{figure}, and anything below {below} is not a fit"


def _knocked_out(assessment: Assessment) -> str:
    missed = assessment.must.missed_knock_outs
    names = [s.asked.label for s in missed]
    what = "the deal" if assessment.plan.question_set.subject == "prospect" else "it"
    rated = f"rated {missed[0].rating}" if len(missed) == 1 else "rated too low"
    return f"Not a fit: {listed(names)} {is_or_are(names)} {rated}, which rules {what} out."


def _mixed(assessment: Assessment) -> list[str]:
    if assessment.must.other_blockers:
        return [f"Not a fit while {assessment.must.in_words}.", *_the_rest(assessment)]
    if not assessment.units.can_be_reportable:
        return [f"Mixed: it cannot be a fit while {_mostly_not_applicable(assessment)}."]
    fit_at = assessment.thresholds.fit_at
    low = assessment.sides_where(lambda tally: not tally.highest_reaches(fit_at))
    if low:
        where = " and ".join(f"{assessment.reaches(side.tally)} on {side.title}" for side in low)
        needs = f"A fit needs at least {fit_at} on each side."
    else:
        where, needs = assessment.reaches(assessment.totals.total), f"A fit needs at least {fit_at}."
    return [f"Mixed, neither a fit nor a clear no: {where}.", needs]


def _mostly_not_applicable(assessment: Assessment) -> str:
    """Where more than half of the weight is not applicable."""
    sides = [side.title for side in assessment.sides_where(lambda tally: not tally.can_be_reportable)]
    on = f" on {' and '.join(sides)}" if sides else ""
    which = "most of the questions" if _weigh_the_same(assessment) else "questions with most of the weight"
    return f"{which}{on} are marked not applicable"


def _too_much_not_applicable(assessment: Assessment) -> list[str]:
    """Half of the weight cannot be rated any more: without thresholds there is no score."""
    if assessment.indication is None:
        return [f"No score: {_mostly_not_applicable(assessment)}."]
    last = f"{_open_questions_can(assessment)} still turn it into a clear no."
    return [f"Not a fit while {_mostly_not_applicable(assessment)}.", last]


def _the_rest(assessment: Assessment) -> list[str]:
    """How strong the ratings are without the blockers; empty if a side has no other rating."""
    tallies = list(assessment.units)
    for question_state in assessment.must.other_blockers:
        unit = question_state.asked.in_unit
        tallies[unit] = tallies[unit].plus(-question_state.packed)
    rest = units_of(tallies)
    if rest.estimate is None:
        return []
    figure = assessment.of_100(rest.estimate)
    so_far = " so far" if assessment.open else ""
    if rest.lean_to_fit:
        return [f"Otherwise it looks strong{so_far}: {figure}."]
    if rest.avoid_leaning_to_no_fit:
        return [f"Otherwise it looks mixed{so_far}: {figure}."]
    return [f"Otherwise it looks weak too{so_far}: {figure}."]


def _unscorable(assessment: Assessment) -> list[str]:
    """Why a unit has no question to rate, and which facts could give it one."""
    places = [place for place, unit in enumerate(assessment.units) if unit.weight == 0]
    empty = [assessment.units[place] for place in places]
    sides = [side.title for side in assessment.sides_where(lambda tally: tally.weight == 0)]
    on = f" on {' and '.join(sides)}" if sides else ""
    if all(unit.skipped_weight for unit in empty):
        first = f"Cannot be scored: every scored question{on} is marked not applicable."
    else:
        first = f"Cannot be scored: no scored question{on} applies here."
    can_count = {
        asked.key
        for asked in assessment.plan.asked
        if asked.weight and not asked.gated and asked.in_unit in places
    }
    return [first, *_still_to_find_out(one for one in assessment.missing if can_count & {*one["questions"]})]


def _too_early(assessment: Assessment) -> list[str]:
    sentences = [f"Too early to say: {_rated_so_far(assessment)}."]
    if assessment.must.other_blockers:
        return [*sentences, f"It is not a fit while {assessment.must.in_words}."]
    if not assessment.totals.total.rated_weight:
        return [*sentences, *_missing_facts(assessment)]
    facts = _missing_facts(assessment) if _are_rated_by_rule(assessment.open) else []
    return [*sentences, *(facts or [_what_to_rate(assessment)])]


def _are_rated_by_rule(opened: Sequence[QuestionState]) -> bool:
    """Whether facts, not answers, rate these questions."""
    return all(s.question.rate_from for s in opened)


def _missing_facts(assessment: Assessment) -> list[str]:
    """The missing attributes that would rate scored questions or make them apply."""
    gated = assessment.plan.gated
    return _still_to_find_out(one for one in assessment.missing if not gated.issuperset(one["questions"]))


def _still_to_find_out(missing: Iterable[MissingAttribute]) -> list[str]:
    names = [one["attribute"].replace("_", " ") for one in missing]
    return [f"Still to find out: {listed(names, MAX_FACTS)}."] if names else []


def _rated_so_far(assessment: Assessment) -> str:
    """Where answers are missing, and how many: "5 of 14 questions on “…” are rated so far"."""
    if not assessment.totals.total.rated_weight:
        stale = sum(s.stale for s in assessment.open)
        if stale:
            return f"{counted(stale, 'answer')} {'is' if stale == 1 else 'are'} too old to count"
        what = "no scored question" if assessment.totals.total.rated else "nothing"
        return f"{what} is rated yet{_unknown(assessment.open)}"
    lacking = assessment.sides_where(lambda tally: not tally.reportable)
    if not lacking:
        count, is_one = _rated_of(assessment.totals, range(len(assessment.units)))
        return f"{count} {'is' if is_one else 'are'} rated so far"
    rated = [(*_rated_of(assessment.totals, [side.place]), side.title) for side in lacking]
    where = " and ".join(f"{count} on {title}" for count, _, title in rated)
    return f"{where} {'is' if len(rated) == 1 and rated[0][1] else 'are'} rated so far"


def _unknown(opened: Sequence[QuestionState]) -> str:
    unknown = sum(s.answered_unknown for s in opened)
    if not unknown:
        return ""
    if unknown < len(opened):
        which = f"{unknown} of the {len(opened)} open questions {'was' if unknown == 1 else 'were'}"
    else:
        which = "the open question was" if unknown == 1 else "every open question was"
    return f", and {which} answered “unknown”"


def _rated_of(totals: Totals, units: Container[int]) -> tuple[str, bool]:
    """How many questions that count in these units are rated, and whether its verb is singular."""
    rated, opened, skipped = (
        len([s for s in states if s.asked.matters and s.asked.in_unit in units])
        for states in (totals.rated, totals.open, totals.skipped)
    )
    others = opened + skipped
    if rated == 0:
        return ("no question", True) if others == 1 else (f"none of the {others} questions", False)
    return f"{rated} of {counted(rated + others, 'question')}", rated == 1


def _what_to_rate(assessment: Assessment) -> str:
    is_by_count = _weigh_the_same(assessment)
    half = (
        "at least half of the questions"
        if is_by_count
        else "questions that carry at least half of the weight"
    )
    return f"Rate {half} on each side." if assessment.plan.reciprocal else f"Rate {half}."


def _weigh_the_same(assessment: Assessment) -> bool:
    """Whether half of the weight is half of the questions."""
    totals = assessment.totals
    return (
        assessment.plan.weighs_the_same
        or len({s.asked.weight for s in (*totals.rated, *totals.open, *totals.skipped)}) == 1
    )


def _leaning(assessment: Assessment) -> list[str]:
    if assessment.must.other_blockers:
        first = f"Not a fit while {assessment.must.in_words}."
        if assessment.leaning == "no_fit":
            return [first, f"It is leaning towards no fit: {_weakness_so_far(assessment)}."]
        return [first, f"{_open_questions_can(assessment)} still turn it into a clear no."]
    known = f"with {assessment.progress}"
    if assessment.leaning == "fit":
        first = f"Leaning towards a fit: {assessment.of_100(assessment.score)}, {known}."
    elif assessment.leaning == "mixed":
        first = f"Mixed so far, {known}: {_middling_so_far(assessment)}."
    else:
        first = f"Leaning towards no fit, {known}: {_weakness_so_far(assessment)}."
    if assessment.must.open and assessment.can_be_fit:
        labels = [s.asked.label for s in assessment.must.open]
        return [first, f"It cannot become a fit until {all_listed(labels)} {is_or_are(labels)} rated."]
    return [first, f"{_open_questions_can(assessment)} still change that."]


def _weakness_so_far(assessment: Assessment) -> str:
    if not assessment.plan.reciprocal:
        return _too_low(assessment.of_100(assessment.score), assessment.thresholds.no_fit_below)
    return joined(assessment.weak_clauses(unit.as_if_nothing_were_open for unit in assessment.units))


def _middling_so_far(assessment: Assessment) -> str:
    fit_at = assessment.thresholds.fit_at
    low = assessment.sides_where(lambda tally: not tally.estimate_reaches(fit_at))
    if not low:
        return assessment.of_100(assessment.score)
    return " and ".join(f"{assessment.of_100(side.tally.estimate)} on {side.title}" for side in low)


def _without_thresholds(assessment: Assessment) -> list[str]:
    grade = f" (grade {assessment.grade})" if assessment.grade else ""
    sentence = f"{assessment.of_100(assessment.score)}{grade}, with {assessment.progress}."
    dimensions = zip(assessment.plan.question_set.dimensions, assessment.totals.dimensions, strict=True)
    rated = [(tally.estimate, f"“{one.title}”") for one, tally in dimensions if tally.estimate is not None]
    lowest = min(estimate for estimate, _ in rated)
    weakest = [title for estimate, title in rated if estimate == lowest]
    if len(weakest) == len(rated):
        return [sentence]
    if len(weakest) == 1:
        return [sentence, f"The weakest part is {weakest[0]}: {assessment.of_100(lowest)}."]
    return [sentence, f"The weakest parts are {listed(weakest)}: {assessment.of_100(lowest)} each."]


def _is_mostly_assumed(totals: Totals) -> bool:
    return 2 * sum([s.asked.weight for s in totals.assumed]) > totals.total.rated_weight


def _open_questions_can(assessment: Assessment) -> str:
    count = len(assessment.open)
    return "The open question can" if count == 1 else f"The {count} open questions can"


SETTLED: Mapping[Indication | None, Callable[[Assessment], list[str]]] = {
    "fit": _fit,
    "no_fit": _no_fit,
    "mixed": _mixed,
}
