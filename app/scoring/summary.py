"""The score in one or two plain sentences that a sales leader understands, true in every state."""

from collections.abc import Callable, Mapping, Sequence

from app.scoring.indication import can_be_fit
from app.scoring.picture import Picture, combine, counts
from app.scoring.plan import Group, Standing
from app.scoring.result import Indication
from app.scoring.words import be, capitalised, counted, listed

MOST_CLAUSES = 3


def summarise(picture: Picture) -> str:
    """What is indicated, how much of it is known, and what stands in the way."""
    sentences = _verdict(picture)
    if _is_mostly_assumed(picture.total):
        sentences.append("More than half of what is rated rests on assumptions.")
    return " ".join(sentences)


def _verdict(picture: Picture) -> list[str]:
    if picture.indication in SETTLED:
        return SETTLED[picture.indication](picture)
    if any(unit.tally.weight == 0 for unit in picture.units):
        return [_unscorable(picture), *_find_out(picture)]
    if not all(unit.tally.can_be_reportable for unit in picture.units):
        return _too_much_not_applicable(picture)
    if not all(unit.tally.reportable for unit in picture.units):
        return _too_early(picture)
    if picture.leaning is None:
        return _without_thresholds(picture)
    return _leaning(picture)


def _fit(picture: Picture) -> list[str]:
    on = " on both sides" if picture.plan.reciprocal else ""
    still = ", however the open questions are answered" if picture.open else ""
    return [f"A fit{on}{still}: {picture.of_100(picture.score)}.", _weakest_point(picture.total)]


def _weakest_point(total: Group) -> str:
    rated = [
        (s.rating, s.question.label) for s in total.standings if s.rating is not None and s.question.weight
    ]
    lowest = min(rating for rating, _ in rated)
    labels = [label for rating, label in rated if rating == lowest]
    if lowest == total.tally.lo + total.tally.span or len(labels) > MOST_CLAUSES:
        return f"No scored answer is rated below {lowest}."
    if len(labels) == 1:
        return f"The weakest point is {labels[0]}, rated {lowest}."
    return f"The weakest points are {listed(labels)}, each rated {lowest}."


def _no_fit(picture: Picture) -> list[str]:
    if picture.must.knocked_out:
        return [_knocked_out(picture)]
    below = picture.thresholds.no_fit_below
    weak = picture.weak_clauses(group.tally for group in picture.dimensions)
    if picture.plan.reciprocal:
        return [f"Not a fit: {_and(weak)}."]
    sentence = f"Not a fit: {_too_low(picture.reaches(picture.total.tally), below)}."
    return [sentence, f"{capitalised(_and(weak[:MOST_CLAUSES]))}."] if weak else [sentence]


def _too_low(figure: str, below: int) -> str:
    return f"{figure}, and anything below {below} is not a fit"


def _knocked_out(picture: Picture) -> str:
    out = picture.must.knocked_out
    names = [s.question.label for s in out]
    what = "the deal" if picture.plan.question_set.subject == "prospect" else "it"
    rated = f"rated {out[0].rating}" if len(out) == 1 else "rated too low"
    return f"Not a fit: {listed(names)} {be(names)} {rated}, which rules {what} out."


def _and(clauses: Sequence[str]) -> str:
    """Clauses that may have commas and conjunctions of their own."""
    return "; and ".join(clauses)


def _mixed(picture: Picture) -> list[str]:
    if picture.must.barring:
        return [f"Not a fit while {_barred(picture)}.", *_the_rest(picture)]
    if not all(unit.tally.can_be_reportable for unit in picture.units):
        return [f"Mixed: {_too_much(picture)} to call it a fit."]
    fit_at = picture.thresholds.fit_at
    low = picture.among_sides(lambda tally: not tally.highest_reaches(fit_at))
    if low:
        where = " and ".join(f"{picture.reaches(unit.tally)} on {title}" for title, unit in low)
        needs = f"A fit needs at least {fit_at} on each side."
    else:
        where, needs = picture.reaches(picture.total.tally), f"A fit needs at least {fit_at}."
    return [f"Mixed, neither a fit nor a clear no: {where}.", needs]


def _too_much(picture: Picture) -> str:
    sides = [title for title, _ in picture.among_sides(lambda tally: not tally.can_be_reportable)]
    on = f" on {' and '.join(sides)}" if sides else ""
    return f"too much{on} is marked not applicable"


def _too_much_not_applicable(picture: Picture) -> list[str]:
    """Half of the weight will never be rated: without an indication there is nothing to say."""
    if picture.indication is None:
        return [f"No score: {_too_much(picture)}."]
    last = f"{_open_ones(picture)} still turn it into a clear no."
    return [f"Not a fit while {_too_much(picture)}.", last]


def _barred(picture: Picture) -> str:
    """What bars a fit: "budget is rated below 3 and timeline is marked not applicable"."""
    barring = picture.must.barring
    reaches = dict.fromkeys(s.question.must_reach for s in barring if s.state == "rated")
    groups = [
        (
            [s.question.label for s in barring if s.state == "rated" and s.question.must_reach == reach],
            f"rated below {reach}",
        )
        for reach in reaches
    ]
    skipped = [s.question.label for s in barring if s.state != "rated"]
    groups += [(skipped, "marked not applicable")] if skipped else []
    named = [(list(dict.fromkeys(names)), how) for names, how in groups]
    return " and ".join(f"{listed(names)} {be(names)} {how}" for names, how in named)


def _the_rest(picture: Picture) -> list[str]:
    """How strong everything else is that is rated; nothing where a side has nothing else."""
    rest = [
        unit.tally.minus([s.counts for s in picture.must.barring if s in unit.standings])
        for unit in picture.units
    ]
    together = combine([unit.estimate for unit in rest])
    if together is None:
        return []
    figure = picture.of_100(together)
    so_far = " so far" if picture.open else ""
    closed = [unit.as_if_nothing_were_open() for unit in rest]
    if all(unit.lowest_reaches(picture.thresholds.fit_at) for unit in closed):
        return [f"Otherwise it looks strong{so_far}: {figure}."]
    if all(unit.lowest_reaches(picture.thresholds.no_fit_below) for unit in closed):
        return [f"Otherwise it looks mixed{so_far}: {figure}."]
    return [f"Otherwise it looks weak too{so_far}: {figure}."]


def _unscorable(picture: Picture) -> str:
    empty = [unit.tally for unit in picture.units if unit.tally.weight == 0]
    sides = [title for title, _ in picture.among_sides(lambda tally: tally.weight == 0)]
    on = f" on {' and '.join(sides)}" if sides else ""
    if all(unit.skipped_weight for unit in empty):
        return f"Cannot be scored: every question that counts{on} is marked not applicable."
    return f"Cannot be scored: no question that counts{on} applies here."


def _too_early(picture: Picture) -> list[str]:
    sentences = [f"Too early to say: {_rated_so_far(picture)}."]
    if picture.must.barring:
        return [*sentences, f"It is not a fit while {_barred(picture)}."]
    if picture.total.tally.rated_weight:
        return [*sentences, _what_to_rate(picture)]
    return [*sentences, *_find_out(picture)]


def _find_out(picture: Picture) -> list[str]:
    """The attributes that would rate scored questions or make them apply."""
    gated = picture.plan.gated
    wanted = [one["attribute"] for one in picture.missing if not gated.issuperset(one["questions"])]
    names = [attribute.replace("_", " ") for attribute in wanted]
    return [f"Find out {listed(names)}."] if names else []


def _rated_so_far(picture: Picture) -> str:
    """Where answers are lacking, and how many: "5 of 14 questions on “…” are rated so far"."""
    if not picture.total.tally.rated_weight:
        stale = sum(s.stale for s in picture.open)
        if stale:
            return f"{counted(stale, 'answer')} {'is' if stale == 1 else 'are'} too old to count"
        what = "no question that counts" if picture.total.tally.rated else "nothing"
        return f"{what} is rated yet{_unknown(picture.open)}"
    lacking = picture.among_sides(lambda tally: not tally.reportable)
    if not lacking:
        count, is_one = _rated_of(picture.total)
        return f"{count} {'is' if is_one else 'are'} rated so far"
    counts = [(*_rated_of(unit), title) for title, unit in lacking]
    where = " and ".join(f"{count} on {title}" for count, _, title in counts)
    return f"{where} {'is' if len(counts) == 1 and counts[0][1] else 'are'} rated so far"


def _unknown(opened: Sequence[Standing]) -> str:
    unknown = sum(s.answered_unknown for s in opened)
    if not unknown:
        return ""
    if unknown < len(opened):
        which = f"{unknown} of the {len(opened)} open questions {'was' if unknown == 1 else 'were'}"
    else:
        which = "the open question was" if unknown == 1 else "every open question was"
    return f", and {which} answered “unknown”"


def _rated_of(group: Group) -> tuple[str, bool]:
    """How many of the questions that count are rated, and whether that is said in the singular."""
    counting = [s for s in group.standings if counts(s)]
    rated = sum(s.state == "rated" for s in counting)
    return f"{rated} of {counted(len(counting), 'question')}", rated == 1 or len(counting) == 1


def _what_to_rate(picture: Picture) -> str:
    weights = {s.question.weight for s in picture.total.standings if s.question.weight}
    half = (
        "at least half of the questions"
        if len(weights) == 1
        else "questions that carry at least half of the weight"
    )
    return f"Rate {half} on each side." if picture.plan.reciprocal else f"Rate {half}."


def _leaning(picture: Picture) -> list[str]:
    known, score = f"with {picture.progress}", picture.score
    if picture.must.barring:
        first = f"Not a fit while {_barred(picture)}."
        if picture.leaning == "no_fit":
            return [first, f"It leans to no fit: {_weakness_so_far(picture)}."]
        return [first, f"{_open_ones(picture)} still turn it into a clear no."]
    if picture.leaning == "fit":
        first = f"Leaning to a fit: {picture.of_100(score)}, {known}."
    elif picture.leaning == "mixed":
        first = f"Mixed so far, {known}: {_middling_so_far(picture)}."
    else:
        first = f"Leaning to no fit, {known}: {_weakness_so_far(picture)}."
    units = [unit.tally for unit in picture.units]
    if picture.must.open and can_be_fit(picture.thresholds, units, picture.must):
        return [first, f"Still needed for a fit: {listed([s.question.label for s in picture.must.open])}."]
    return [first, f"{_open_ones(picture)} still change that."]


def _weakness_so_far(picture: Picture) -> str:
    if not picture.plan.reciprocal:
        return _too_low(picture.of_100(picture.score), picture.thresholds.no_fit_below)
    return _and(picture.weak_clauses(side.tally.as_if_nothing_were_open() for side in picture.units))


def _middling_so_far(picture: Picture) -> str:
    fit_at = picture.thresholds.fit_at
    low = picture.among_sides(lambda tally: not tally.as_if_nothing_were_open().lowest_reaches(fit_at))
    if not low:
        return picture.of_100(picture.score)
    return " and ".join(f"{picture.of_100(unit.tally.estimate)} on {title}" for title, unit in low)


def _without_thresholds(picture: Picture) -> list[str]:
    grade = f" (grade {picture.grade})" if picture.grade else ""
    sentence = f"{picture.of_100(picture.score)}{grade}, with {picture.progress}."
    estimates = [group.tally.estimate for group in picture.dimensions]
    known = sorted(estimate for estimate in estimates if estimate is not None)
    if len(known) < 2 or known[0] == known[1]:
        return [sentence]
    weakest = picture.plan.question_set.dimensions[estimates.index(known[0])]
    return [sentence, f"The weakest part is “{weakest.title}”: {picture.of_100(known[0])}."]


def _is_mostly_assumed(total: Group) -> bool:
    assumed = sum(s.question.weight for s in total.standings if s.evidence == "assumption")
    return 2 * assumed > total.tally.rated_weight


def _open_ones(picture: Picture) -> str:
    count = len(picture.open)
    return "The open question can" if count == 1 else f"The {count} open questions can"


SETTLED: Mapping[Indication | None, Callable[[Picture], list[str]]] = {
    "fit": _fit,
    "no_fit": _no_fit,
    "mixed": _mixed,
}
