"""Laws that a score keeps whatever the set: of order, of growth, of who may say what."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.scoring import Answer, Plan, Totals, indicated, read_question_set, read_stored, score
from tests.scoring.building import NOW, as_object
from tests.scoring.question_state import expiry
from tests.scoring.strategies import cases, effort

RANK = {"no_fit": 0, "mixed": 1, "undetermined": 1, "unscorable": 1, "fit": 2}


@st.composite
def cases_with_a_raised_rating(draw):
    """The same session twice, the second time with one question rated better."""
    case = draw(cases())
    scale = case.question_set.scale
    keys = [question.key for step in case.question_set.steps for question in step.questions]
    key = draw(st.sampled_from(sorted(keys)))
    rating = draw(st.integers(scale.min, scale.max - 1))
    worse, better = (Answer("rated", one) for one in (rating, draw(st.integers(rating + 1, scale.max))))
    return tuple(case.answering(case.answers | {key: answer}).score() for answer in (worse, better))


@effort(120)
@given(cases_with_a_raised_rating())
def test_a_better_rating_lowers_no_figure(both):
    before, after = both
    if before.score is not None:  # there is none while a knock-out is missed
        assert none_is_less(before, after, ("score",))
    assert none_is_less(before, after, ("lowest", "highest", "points"))
    for old, new in zip(before.dimensions + before.steps, after.dimensions + after.steps, strict=True):
        assert none_is_less(old, new, ("estimate", "lowest", "highest", "points"))
    assert (after.coverage, after.reportable) == (before.coverage, before.reportable)


def none_is_less(before, after, names):
    pairs = [(getattr(before, name), getattr(after, name)) for name in names]
    return all(old is new is None or old <= new for old, new in pairs)


@effort(150)
@given(cases_with_a_raised_rating())
def test_a_better_rating_takes_no_fit_away_and_rules_nothing_out(both):
    before, after = both
    if before.indication is not None:
        assert RANK[after.indication] >= RANK[before.indication]
    if before.leaning is not None:
        assert RANK[after.leaning] >= RANK[before.leaning]
    assert bars(after) <= bars(before)


def bars(result):
    return {(blocker.question, blocker.effect) for blocker in result.blockers}


@effort(120)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_steps_and_questions_changes_no_figure(case, shuffler):
    shuffled = case.on(in_other_order(case.question_set, shuffler))
    assert without_order(shuffled.score()) == without_order(case.score())


def in_other_order(question_set, shuffler):
    definition = question_set.canonical()
    for things in [definition["steps"], *(step["questions"] for step in definition["steps"])]:
        shuffler.shuffle(things)
    return read_question_set(definition)


def without_order(result):
    """What a score says, its lists as sets; what to ask next and the sentence go by the set's order."""
    said = result.without("next_questions", "summary", "missing_attributes")
    return {name: sorted(map(repr, one)) if isinstance(one, list) else one for name, one in said.items()}


@effort(120)
@given(cases(), st.booleans())
def test_unknown_is_scored_exactly_as_absent(case, pursued):
    known = {key: answer for key, answer in case.answers.items() if answer.state != "unknown"}
    with_unknown, absent = case.score(pursued=pursued), case.answering(known).score(pursued=pursued)
    apart = {"next_questions", "open_questions", "must_answer", "not_counted", "summary"}
    assert with_unknown.without(*apart) == absent.without(*apart)
    assert asked(with_unknown) == asked(absent)
    assert {q.question for q in absent.next_questions if q.ask_again} <= case.stale


@effort(120)
@given(cases(), st.booleans())
def test_stale_and_taken_back_are_scored_exactly_as_absent(case, pursued):
    gone = case.stale | {key for key, answer in case.answers.items() if answer.state == "open"}
    left = {key: answer for key, answer in case.answers.items() if key not in gone}
    now, absent = case.score(pursued=pursued), case.answering(left).score(pursued=pursued)
    apart = {"next_questions", "open_questions", "must_answer", "not_counted", "stale", "summary"}
    assert now.without(*apart) == absent.without(*apart)
    assert asked(now) == asked(absent)
    assert absent.stale == []


@effort(120)
@given(cases())
def test_what_has_gone_stale_and_when_the_next_answer_will(case):
    result = case.score()
    ends = [one.valid_until for one in case.states if one.valid_until is not None]
    assert set(result.stale) == case.stale
    assert result.valid_until == min(ends, default=None)
    assert result.as_of == NOW


@effort(80)
@given(cases(), st.booleans())
def test_until_then_the_score_stays_as_it_is(case, pursued):
    """Time alone changes nothing before `valid_until`.

    But what could still be learned: an answer to a question that does not apply yet may go stale.
    """
    result = case.score(pursued=pursued)
    if result.valid_until is None:
        later = NOW + timedelta(days=4000)
    else:
        later = result.valid_until - timedelta(microseconds=1)
    given_now = {key: one._replace(answered_at=one.answered_at or NOW) for key, one in case.answers.items()}
    plan = Plan(case.question_set, "small-set@1")
    again = as_object(score(plan, given_now, case.attributes, as_of=later, pursued=pursued))
    apart = {"as_of", "settled_whatever_is_learned", "missing_attributes", "summary"}
    assert again.without(*apart) == result.without(*apart)


@effort(80)
@given(cases())
def test_the_indication_alone_is_the_one_of_the_whole_score(case):
    plan = Plan(case.question_set, "small-set@1")
    known = read_stored(case.question_set, case.attributes).known
    assert indicated(plan, Totals(plan, plan.evaluate(case.answers, known, NOW))) == case.score().indication


def asked(result):
    return set(result.open_questions), set(result.must_answer)


@effort(120)
@given(cases())
def test_what_a_person_answers_goes_before_the_rule(case):
    """A rule on an answered question may as well not be there, unless the answer says nothing."""
    definition = case.question_set.canonical()
    for step in definition["steps"]:
        for question in step["questions"]:
            answer = case.answers.get(question["key"], Answer("unknown"))
            if answer.state in ("rated", "not_applicable") and not is_old(case, question["key"], answer):
                question.pop("rate_from", None)
    without, apart = case.on(read_question_set(definition)).score(), {"missing_attributes"}
    assert without.without(*apart) == case.score().without(*apart)


def is_old(case, key, answer):
    """Whether an answer is too old to count, also where its question does not apply."""
    asked = [question for step in case.question_set.steps for question in step.questions]
    last = expiry(next(question for question in asked if question.key == key), answer, NOW)
    return last is not None and last <= NOW


@effort(120)
@given(cases(), st.data())
def test_answers_of_gated_steps_never_change_the_score(case, data):
    gated = {question.key for step in case.question_set.steps if step.gated for question in step.questions}
    scale = case.question_set.scale
    ratings = st.integers(scale.min, scale.max).map(lambda rating: Answer("rated", rating))
    changed = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(gated), ratings)))
    others = {key: answer for key, answer in case.answers.items() if key not in gated}
    apart = {"steps", "not_counted", "stale", "valid_until", "missing_attributes"}
    assert case.score().without(*apart) == case.answering(others | changed).score().without(*apart)


@effort(200)
@given(cases())
def test_no_question_is_both_a_strength_and_a_gap_and_none_in_the_middle_is_either(case):
    result, scale = case.score(), case.question_set.scale
    good, bad = ({line.question for line in lines} for lines in (result.strengths, result.gaps))
    assert not good & bad
    assert {blocker.question for blocker in result.blockers if blocker.state == "rated"} <= bad
    middle = [line for line in result.strengths + result.gaps if 2 * line.rating == scale.min + scale.max]
    assert {line.question for line in middle} <= {blocker.question for blocker in result.blockers}


@effort(300)
@given(cases())
def test_a_grade_that_starts_at_a_threshold_says_what_the_threshold_says(case):
    result, thresholds = case.score(), case.question_set.thresholds
    if result.grade is None or thresholds is None:
        return
    start = next(grade.at for grade in case.question_set.grades if grade.grade == result.grade)
    assert (start >= thresholds.fit_at) == (result.leaning == "fit")
    if start < thresholds.no_fit_below < thresholds.fit_at:
        assert result.leaning == "no_fit"


@effort(100)
@given(cases(), st.booleans())
def test_a_plan_remembers_nothing_of_the_scores_before(case, pursued):
    """It keeps the lines it has built; with other answers they must come out as from a new plan."""
    plan = Plan(case.question_set, "small-set@1")
    turned = {key: turn(answer, case.question_set.scale) for key, answer in case.answers.items()}
    for answers in (turned, {}, case.answers):
        again = as_object(score(plan, answers, case.attributes, as_of=NOW, pursued=pursued))
    assert again == case.score(pursued=pursued)


def turn(answer, scale):
    return Answer("rated", scale.min + scale.max - answer.rating) if answer.state == "rated" else answer


@effort(60)
@given(cases())
def test_a_definition_survives_its_canonical_form(case):
    assert read_question_set(case.question_set.canonical()) == case.question_set
