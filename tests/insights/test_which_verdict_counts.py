"""The verdict that counts is the last one before the outcome was known, and hindsight is shown apart."""

from itertools import count
from random import Random

import pytest

from tests.api.calls import answer, conclude, decide, history, merge, new_prospect, ok, qualify, upsert
from tests.inbound.intake.calls import make, taken_in
from tests.scoring.building import question, step, weighted

BANDS = [{"below": 100, "rating": 1}, {"rating": 5}]
SIZE = question("size", rate_from={"attribute": "employees", "bands": BANDS})
# Two questions that people rate, one of which goes stale and one of which is a knock-out, and one by rule.
ASKED = weighted(
    step(
        "all",
        question("demand", stale_after_days=30),
        question("budget", must_reach=2),
        SIZE,
    ),
    attributes={"employees": "number", "story": "text"},
    thresholds={"fit_at": 60, "no_fit_below": 40},
)
ONLY_RULE = weighted(step("all", SIZE), attributes={"employees": "number", "story": "text"})
WON, LOST = {"outcome": "won"}, {"outcome": "lost"}
stories = count(1)


@pytest.fixture(scope="module")
def asked(office):
    return office.publish(ASKED)


@pytest.fixture
def begin(office, asked):
    """Begins a story about a prospect of its own."""
    return lambda: Story(office, asked, f"s{next(stories)}")


class Story:
    """One prospect; the attribute `story` finds it in the report."""

    def __init__(self, office, asked, name):
        self.office, self.asked, self.name = office, asked, name
        self.client = office.client
        self.link = {"source": "story", "external_id": name}
        self.sent_before = {}

    def send(self, **sent):
        attributes = {"story": self.name, **sent.pop("attributes", {})}
        return qualify(self.client, self.link, question_set=self.asked, attributes=attributes, **sent)

    def report(self):
        return self.office.report(
            "calibration", question_set=self.asked, segment=f"story:{self.name}", hindsight="include"
        )

    def scores(self):
        """The scores that count, and those with hindsight: knocked out is "out"."""
        return scores_of(self.report())


def scores_of(told):
    return [*map(scores_in, (told, told["hindsight"]))]


def scores_in(part):
    return [
        "out" if band["knocked_out"] else pytest.approx(band["mean_score"])
        for band in part["bands"]
        for _ in range(band["n"])
    ]


def test_the_verdict_before_the_outcome_counts(begin):
    """(5 − 1)/4 and (3 − 1)/4 of two questions: 75."""
    story = begin()
    told = story.send(ratings={"demand": 5, "budget": 3})
    ok(conclude(story.client, told["session_id"], "won"))
    assert story.scores() == [[75], []]


def test_answers_in_the_call_of_the_outcome_are_hindsight_however_they_are_sent(begin, office):
    by_call, by_form, by_file, by_intake = (begin() for _ in range(4))
    by_call.send(ratings={"demand": 5, "budget": 3}, outcome=WON)
    form = {**by_form.link, "story": by_form.name, "demand": 5, "budget": 3, "outcome": "won"}
    ok(office.client.post(f"/v1/qualify/{by_form.asked}", json=form))
    import_row(by_file)
    take_in(by_intake)
    for story in (by_call, by_form, by_file, by_intake):
        told = story.report()
        assert (told["n"], told["excluded"]["hindsight"]) == (0, 1), story.name
        assert story.scores() == [[], [75]]


def import_row(story):
    text = f"external_id,story,demand,budget,outcome\n{story.name},{story.name},5,3,won\n"
    query = {"source": "story", "id": "external_id", "qualify": story.asked}
    headers = {"Content-Type": "text/csv"}
    told = story.client.post("/v1/prospects/import", params=query, content=text, headers=headers)
    assert '"qualified":1' in told.text, told.text


def take_in(story):
    mapping = {
        "source": "story",
        "external_id": "/id",
        "attributes": {"story": "/id"},
        "ratings": {"demand": "/demand", "budget": "/budget"},
        "outcome": "/outcome",
    }
    intake = make(story.client, mapping=mapping, question_set=story.asked)
    payload = {"id": story.name, "demand": 5, "budget": 3, "outcome": "won"}
    assert taken_in(story.client, story.client, intake, payload)["problem"] is None


def test_without_include_hindsight_is_only_counted(begin, office):
    story = begin()
    story.send(ratings={"demand": 5, "budget": 3}, outcome=WON)
    told = office.report("calibration", question_set=story.asked, segment=f"story:{story.name}")
    assert (told["n"], told["excluded"]["hindsight"], told["hindsight"]) == (0, 1, None)


def test_one_more_answer_in_the_call_of_the_outcome_is_hindsight(begin):
    story = begin()
    story.send(ratings={"demand": 5})
    story.send(ratings={"budget": 3}, outcome=LOST)
    assert story.scores() == [[], [75]]


def test_the_same_answers_again_with_the_outcome_are_not_hindsight(begin):
    story = begin()
    story.send(ratings={"demand": 5, "budget": 3})
    story.send(ratings={"demand": 5, "budget": 3}, outcome=LOST)
    assert story.scores() == [[75], []]


def test_attributes_in_the_call_of_the_outcome_do_not_change_the_verdict(begin):
    """The size is rated 5 by the attribute before, and would be 1 by the one that came with the outcome."""
    story = begin()
    story.send(attributes={"employees": 500}, ratings={"demand": 5, "budget": 3})
    story.send(attributes={"employees": 5}, outcome=LOST)
    assert story.scores() == [[pytest.approx(100 * (4 + 2 + 4) / 12)], []]


def test_ratings_by_rule_from_attributes_known_before_are_no_hindsight(begin, office):
    """The session is opened by the call of the outcome, and rated by what was known before."""
    known, sent_along = begin(), begin()
    only_rule = office.publish(ONLY_RULE)
    for story in (known, sent_along):
        story.asked = only_rule
    new_prospect_of(known, employees=500)
    new_prospect_of(sent_along)
    qualify(known.client, known.link, question_set=only_rule, outcome=WON)
    attributes = {"employees": 500}
    qualify(known.client, sent_along.link, question_set=only_rule, attributes=attributes, outcome=WON)
    assert known.scores() == [[100], []]
    assert sent_along.scores() == [[], [100]]


def new_prospect_of(story, **attributes):
    links, attributes = [story.link], {"story": story.name, **attributes}
    new_prospect(story.client, name=story.name, links=links, attributes=attributes)


def test_an_outcome_without_any_rating_is_hindsight(begin):
    """There is no verdict from before, and nothing is rated: it is counted, and no figure has it."""
    story = begin()
    new_prospect_of(story)
    story.send(outcome=WON)
    told = story.report()
    assert (told["n"], told["hindsight"]["n"], told["excluded"]["hindsight"]) == (0, 0, 1)


def test_staleness_between_the_last_answer_and_the_outcome_does_not_count(begin, office):
    """After 40 days the demand is open; a list makes the service record that before the outcome comes."""
    story = begin()
    told = story.send(ratings={"demand": 5, "budget": 3})
    office.wait(days=40)
    assert ok(story.client.get(f"/v1/sessions/{told['session_id']}"))["score"]["stale"] == ["demand"]
    ok(conclude(story.client, told["session_id"], "won"))
    changes = [one["change"] for one in history(story.client, told["session_id"])["revisions"]]
    assert changes == ["opened", "stale", "outcome"]
    assert story.scores() == [[75], []]


def test_an_answer_that_was_stale_when_another_one_was_given_stays_open(begin, office):
    """The budget and the size alone were rated then: (2 + 4)/8."""
    story = begin()
    told = story.send(attributes={"employees": 500}, ratings={"demand": 5, "budget": 4})
    office.wait(days=40)
    answer(story.client, told["session_id"], budget=3)
    ok(conclude(story.client, told["session_id"], "won"))
    assert story.scores() == [[75], []]


def test_late_answers_never_count(begin):
    story = begin()
    told = story.send(ratings={"demand": 5, "budget": 3})
    late = {"question": "demand", "rating": 1, "answered_at": "2025-12-01T09:00:00Z"}
    story.send(answers=[late])
    ok(conclude(story.client, told["session_id"], "won"))
    assert [one["change"] for one in history(story.client, told["session_id"])["revisions"]][1] == "late"
    assert story.scores() == [[75], []]


def test_a_correction_keeps_the_verdict_and_its_outcome_counts(begin):
    story = begin()
    told = story.send(ratings={"demand": 5, "budget": 3})
    ok(conclude(story.client, told["session_id"], "won"))
    ok(conclude(story.client, told["session_id"], "lost"))
    report = story.report()
    assert (report["won"], report["lost"]) == (0, 1)
    ok(conclude(story.client, told["session_id"], "no_decision"))
    assert (story.report()["n"], story.report()["excluded"]["no_decision"]) == (0, 1)


def test_a_moved_session_counts_for_its_new_version(begin, office):
    story = begin()
    key = story.asked = office.publish(ASKED)
    told = story.send(ratings={"demand": 5, "budget": 3})
    office.publish({**ASKED, "title": "Again"}, key)
    moved = story.client.post(f"/v1/sessions/{told['session_id']}/move", json={"question_set": f"{key}@2"})
    ok(moved)
    ok(conclude(story.client, told["session_id"], "won"))
    for name, n in ((key, 1), (f"{key}@1", 0), (f"{key}@2", 1)):
        assert office.report("calibration", question_set=name)["n"] == n, name
    ok(story.client.post(f"/v1/question-sets/{key}/versions/2/retire"))
    assert office.report("calibration", question_set=f"{key}@2")["n"] == 1


def test_a_merged_prospect_counts_once(begin, office):
    """Both of its deals count, as one prospect: each has half the weight."""
    story, other = begin(), begin()
    other.asked = story.asked = office.publish(ASKED)
    first, second = (one.send(ratings={"demand": 5, "budget": 3}) for one in (story, other))
    ok(conclude(story.client, first["session_id"], "won"))
    ok(conclude(story.client, second["session_id"], "lost"))
    ok(merge(story.client, first["prospect_id"], second["prospect_id"]))
    told = office.report("calibration", question_set=story.asked)
    assert (told["n"], told["won"], told["lost"], told["prospects"]) == (2, 1, 1, 1)
    assert told["base_rate"]["estimate"] == 0.5
    assert story.client.delete(f"/v1/prospects/{first['prospect_id']}").status_code == 204
    assert office.report("calibration", question_set=story.asked)["n"] == 0


def test_knocked_out_deals_are_a_band_of_their_own(begin):
    story = begin()
    told = story.send(ratings={"demand": 5, "budget": 1})
    ok(conclude(story.client, told["session_id"], "lost"))
    assert story.scores() == [["out"], []]


def test_sessions_without_an_outcome_are_counted_and_bounded(begin, office):
    """1 won of 2, and 5 undecided: from 1/7 to 6/7."""
    key = office.publish(ASKED)
    told = {}
    for name in ("won", "lost", "no_decision", "open", "pursued", "nurtured", "given up", "thin"):
        story = begin()
        story.asked = key
        ratings = {} if name == "thin" else {"demand": 5, "budget": 3}
        told[name] = story.send(ratings=ratings)["session_id"]
    for outcome in ("won", "lost", "no_decision"):
        ok(conclude(office.client, told[outcome], outcome))
    for name, decision in (("pursued", "pursue"), ("nurtured", "nurture"), ("given up", "disqualify")):
        ok(decide(office.client, told[name], decision, revision=1))
    ok(conclude(office.client, told["thin"], "won"))
    report = office.report("calibration", question_set=key)
    assert report["excluded"] == {
        "hindsight": 0, "not_scored": 1, "no_decision": 1, "open": 2, "not_pursued": 2,
    }  # fmt: skip
    assert (report["n"], report["bounds"]) == (2, {"low": 1 / 7, "high": 6 / 7, "undecided": 5})


SEEDS = 14
# What a call of a random story sends, and how often of 12.
CALLS = (
    *("answer",) * 5,
    *("attributes",) * 2,
    *("late", "decide", "wait", "wait"),
)


class RandomStory:
    """A session with some calls before the outcome, and a call of the outcome that may bring more with it."""

    def __init__(self, story, random):
        self.story, self.random, self.client = story, random, story.client
        self.session_id = None

    def ratings(self):
        chosen = self.random.sample(["demand", "budget"], self.random.randint(1, 2))
        return {question: self.random.randint(1, 5) for question in chosen}

    def call(self, kind):
        random, story = self.random, self.story
        if kind == "answer":
            told = story.send(ratings=self.ratings())
        elif kind == "attributes" and self.session_id:
            ok(upsert(self.client, story.link, attributes={"employees": random.choice([5, 50, 500])}))
            return
        elif kind == "late":
            given = {"rating": random.randint(1, 5), "answered_at": "2025-06-01T09:00:00Z"}
            told = story.send(answers=[{"question": "demand", **given}])
        elif kind in ("decide", "attributes"):
            word = random.choice(["pursue", "nurture"])
            told = story.send(decision={"decision": word, "actor": "ana@example.com"})
        else:
            story.office.wait(days=random.randint(5, 40))
            if self.session_id and random.random() < 0.5:
                ok(self.client.get(f"/v1/sessions/{self.session_id}"))
            return
        self.session_id = told["session_id"]

    def tell(self):
        """Make the calls, and return the history in the end."""
        for _ in range(self.random.choice([0, 1, 1, 2, 3, 4])):
            self.call(self.random.choice(CALLS))
        sent = {"outcome": {"outcome": self.random.choice(["won", "lost"])}}
        if self.random.random() < 0.3:
            sent["ratings"] = self.ratings()
        if self.random.random() < 0.2:
            sent["attributes"] = {"employees": self.random.choice([5, 50, 500])}
        told = self.story.send(**sent)
        if self.random.random() < 0.3:
            ok(conclude(self.client, told["session_id"], self.random.choice(["won", "lost"])))
        return history(self.client, told["session_id"])


def verdict_that_counts(told):
    """The verdict that counts and whether it is hindsight, from the history alone, in the words of the issue.

    "The verdict that counts is that of the last revision before the call that first brought the outcome,
    revisions made by ageing alone skipped; where there is none, or that call itself added the ratings, the
    session is hindsight." In these stories, no other call has the time of this call, and a session that is
    opened by it has no attributes from before.
    """
    call = min(one["recorded_at"] for one in told["outcomes"])
    before = [one for one in told["revisions"] if one["at"] < call and one["change"] not in ("stale", "late")]
    during = [one for one in told["revisions"] if one["at"] == call]
    if before and not any("answers" in one["changed"] for one in during):
        return before[-1]["verdict"], False
    return [one for one in during if one["change"] != "outcome"][-1]["verdict"], True


def test_random_stories_count_as_a_second_implementation_says(begin):
    kinds = set()
    for seed in range(SEEDS):
        story = begin()
        told = RandomStory(story, Random(seed)).tell()
        verdict, hindsight = verdict_that_counts(told)
        counted = [] if verdict["score"] is None else [verdict["score"]]
        if "budget" in verdict["blockers"]:
            counted = ["out"]
        expected = [[], counted] if hindsight else [counted, []]
        report = story.report()
        assert scores_of(report) == expected, (seed, told)
        assert report["excluded"]["hindsight"] == hindsight
        assert report["excluded"]["not_scored"] == (not counted and not hindsight)
        kinds |= {(hindsight, len(counted)), tuple(counted) == ("out",)}
        kinds |= {one["change"] for one in told["revisions"]}
    assert kinds >= {(False, 0), (False, 1), (True, 1), True, "stale", "late", "attributes", "decided"}
