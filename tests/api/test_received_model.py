"""The rule for repeated values, written a second time from docs/crm/README.md, and random stories.

A and B are two systems that know a prospect, and P is a person. After each step, the service has what the
model has.
"""

from functools import partial
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.prospects.received import OF_PROSPECT, Part, remember_written
from app.prospects.schemas import Link
from tests.api.calls import (
    SMALL,
    change,
    conclude,
    every_page,
    history,
    new_prospect,
    ok,
    patch,
    ratings_of,
    session,
)
from tests.api.conftest import published
from tests.scoring.strategies import EFFORT

numbers = count()
TIMES = {1: "2026-01-05T09:00:00Z", 2: "2026-01-10T09:00:00Z", 3: "2026-01-15T09:00:00Z"}
QUESTIONS, FIELDS = ("budget", "need"), ("name", "industry")
NOW = 10  # later than all TIMES; each step is one later


class Model:
    """What the service has to have. Times are numbers."""

    def __init__(self):
        self.now = NOW
        self.last = {"A": {}, "B": {}}  # the last value of each system by field, with its time
        self.values, self.setters = {}, {}  # of the prospect, and which system has set each
        self.sessions = []

    def set(self, field, value, by):
        if value != self.values.get(field):
            self.values[field], self.setters[field] = value, by

    def send_values(self, link, values):
        for field, value in values.items():
            known = self.last[link].pop(field, None)
            if value is None and self.setters.get(field) == link:
                self.set(field, None, None)
            elif value is not None:
                self.last[link][field] = (value, None)
                if known is None or known[0] != value:
                    self.set(field, value, link)

    def effect(self, link, session_, question, value, at):
        """Whether an answer is stored, is late, or does nothing. `at` is None if it has no time."""
        last, last_at = self.last.get(link, {}).get(question, (None, 0))
        stored = session_["answers"].get(question)
        is_repeat, is_new = last == value, session_.get("is_new")
        is_late = at and ((stored and at < stored[1]) or (at < last_at and not is_new))
        if stored is None and (value == "open" or (is_repeat and not is_new)):
            return None
        if is_late and not (is_repeat and is_new):
            return None if is_repeat or (stored and value == stored[0]) else "late"
        if stored is None or (value != stored[0] and not is_repeat):
            return "stored"
        confirms = at and at > stored[1] and not is_repeat and value == stored[0]
        return "stored" if confirms and session_["status"] == "open" else None

    def send(self, link, values, answers, at, outcome):
        self.send_values(link, values)
        given = {question: value for question, value in answers.items() if value is not None}
        current = self.sessions[-1] if self.sessions else None
        is_closed = current and current["status"] == "closed"
        if current is None or (
            is_closed and any(self.effect(link, current, *one, at) == "stored" for one in given.items())
        ):
            current = {"status": "open", "answers": {}, "late": set(), "outcome": None, "is_new": True}
            self.sessions.append(current)
            self.last[link].pop("outcome", None)
        for question in answers.keys() - given.keys():
            self.clear(link, current, question, at)
        for question, value in given.items():
            self.answer(link, current, question, value, at)
        current.pop("is_new", None)
        if outcome and self.last[link].get("outcome") != outcome:
            self.last[link]["outcome"] = outcome
            current |= {"status": "closed", "outcome": outcome}

    def clear(self, link, session_, question, at):
        stored = session_["answers"].get(question)
        last, last_at = self.last[link].get(question, (None, 0))
        if at and at < max(last_at, stored[1] if stored else 0):
            return
        is_own = stored and (stored[2], stored[0]) == (link, last)
        if is_own and session_["status"] == "open" and (stored[0] != "open" or at):
            session_["answers"][question] = ("open", at or self.now, link)
        self.last[link][question] = (None, at or self.now)

    def answer(self, link, session_, question, value, at):
        effect = self.effect(link, session_, question, value, at)
        is_open = session_["status"] == "open"
        if effect == "late":
            session_["late"].add((question, value, at))
        if effect == "stored" and is_open:
            session_["answers"][question] = (value, at or self.now, link)
        last, last_at = self.last.get(link, {}).get(question, (None, 0))
        is_news = (value != last or effect == "stored") and not (effect == "late" and at < last_at)
        if link in self.last and is_open and is_news:
            self.last[link][question] = (value, at or self.now)

    def write(self, link):
        """A record update writes the current ratings and values into a record."""
        answers = self.sessions[-1]["answers"] if self.sessions else {}
        for question, (value, at, by) in answers.items():
            if not isinstance(value, int):
                self.last[link].pop(question, None)
                answers[question] = (value, at, None if by == link else by)
            elif self.last[link].get(question, (None,))[0] != value:
                self.last[link][question] = (value, self.now)
        for field, value in self.values.items():
            if value is not None and self.last[link].get(field, (None,))[0] != value:
                self.last[link][field] = (value, None)


def some(names, values):
    return st.dictionaries(st.sampled_from(names), st.sampled_from(values))


ANSWERS = some(QUESTIONS, (1, 3, "open", None))
VALUES = some(FIELDS, ("bank", "a name of more than 24 characters", None))
AT = st.sampled_from((None, None, *TIMES))
LINKS = st.sampled_from("AB")
STEPS = st.one_of(
    st.tuples(st.just("sends"), LINKS, VALUES, ANSWERS, AT, st.sampled_from((None, None, "won", "lost"))),
    st.tuples(st.just("sends"), LINKS, st.just({}), ANSWERS, AT, st.none()),
    st.tuples(st.just("person"), some(QUESTIONS, (1, 3, "open")), AT),
    st.tuples(st.just("person changes"), VALUES),
    st.tuples(st.just("person concludes"), st.sampled_from(("won", "lost"))),
    st.tuples(st.just("written"), LINKS),
)


class Story:
    """A prospect of the service, and the model of it."""

    def __init__(self, client, database, question_set):
        self.client, self.database, self.question_set = client, database, question_set
        self.model = Model()
        number = str(next(numbers))
        self.links = {name: {"source": f"model-{name.lower()}", "external_id": number} for name in "AB"}
        self.prospect = new_prospect(client, links=[*self.links.values()])["id"]

    def tell(self, kind, *said):
        self.model.now += 1
        getattr(self, kind.replace(" ", "_"))(*said)

    def last_session(self):
        """The id of the newest session of the service; None if there is none."""
        ids = self.session_ids()
        return ids[-1] if ids else None

    def session_ids(self):
        lines = every_page(self.client, f"/v1/sessions?prospect_id={self.prospect}&limit=200")
        return sorted(line["session_id"] for line in lines)

    def sends(self, link, values, answers, at, outcome):
        self.model.send(link, values, answers, at, outcome)
        timed = {"answered_at": TIMES[at]} if at else {}
        form = {**self.links[link], **values, **answers, **timed, "outcome": outcome or ""}
        ok(self.client.post(f"/v1/qualify/{self.question_set}", json=form))

    def person(self, answers, at):
        if self.model.sessions and self.model.sessions[-1]["status"] == "open":
            timed = {"answered_at": TIMES[at]} if at else {}
            sent = [
                {
                    "question": question,
                    **({"state": value} if value == "open" else {"rating": value}),
                    **timed,
                }
                for question, value in answers.items()
            ]
            for question, value in answers.items():
                self.model.answer("P", self.model.sessions[-1], question, value, at)
            ok(patch(self.client, self.last_session(), answers=sent))

    def person_changes(self, values):
        for field, value in values.items():
            self.model.set(field, value, "P")
        attributes = {"attributes": {"industry": values["industry"]}} if "industry" in values else {}
        name = {"name": values["name"]} if "name" in values else {}
        ok(change(self.client, self.prospect, **name, **attributes))

    def person_concludes(self, outcome):
        if self.model.sessions:
            self.model.sessions[-1] |= {"status": "closed", "outcome": outcome}
            ok(conclude(self.client, self.last_session(), outcome))

    def written(self, link):
        self.model.write(link)
        write = partial(remember_written, link=Link(**self.links[link]))
        last = self.last_session()
        answers = ratings_of(session(self.client, last)) if last else {}
        ratings = {name: value if isinstance(value, int) else None for name, value in answers.items()}
        self.database.write_sync(partial(write, part=Part(question_set=self.question_set), values=ratings))
        values = {field: value for field, value in self.stored_values().items() if value is not None}
        self.database.write_sync(partial(write, part=OF_PROSPECT, values=values))

    def stored_values(self):
        stored = ok(self.client.get(f"/v1/prospects/{self.prospect}"))
        return {"name": stored["name"], "industry": stored["attributes"].get("industry")}

    def stored_session(self, session_id):
        told = session(self.client, session_id)
        revisions = history(self.client, session_id)["revisions"]
        late = [one["changed"].get("late", {}) for one in revisions]
        outcome = told["outcome"] and told["outcome"]["outcome"]
        return told["status"], outcome, ratings_of(told), sorted(name for one in late for name in one)

    def compare(self):
        model = self.model
        assert self.stored_values() == {field: model.values.get(field) for field in FIELDS}
        assert [self.stored_session(one) for one in self.session_ids()] == [
            (
                one["status"],
                one["outcome"],
                {question: value for question, (value, _, _) in one["answers"].items()},
                sorted(question for question, _, _ in one["late"]),
            )
            for one in model.sessions
        ]


@pytest.fixture(scope="module")
def question_set(publish):
    return published(publish, SMALL | {"attributes": {"industry": "text"}})


@settings(max_examples=round(25 * EFFORT))
@given(story=st.lists(STEPS, min_size=5, max_size=12))
def test_random_stories(service, database, question_set, story):
    told = Story(service.client, database, question_set)
    for step in story:
        told.tell(*step)
        told.compare()
