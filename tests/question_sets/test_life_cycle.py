"""The whole life of question sets and of the sessions on them, at random, against a plain model."""

from itertools import count

from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.api.calls import conclude, every_page, new_prospect, ok, patch, ratings_of, refusal
from tests.question_sets.drawing import (
    ANSWERS,
    COMPLETE,
    DECISIONS,
    DOCUMENTS,
    KEYS,
    NAMES,
    OUTCOMES,
    SEEN,
    STRANGE,
    VARIANT,
    WHICH,
    WHO,
)
from tests.question_sets.plain import Refused, World, questions, split
from tests.scoring.strategies import effort

EXAMPLES, STEPS = 40, 30
numbers = count(1)


def there_is_a_draft(life):
    return any(known.draft for known in life.world.sets.values())


def another_is_open(life):
    return sum(session.status == "open" for session in life.world.sessions.values()) > 1


class LifeCycle(RuleBasedStateMachine):
    """Every call goes to the service and to the model; what they say has to be the same."""

    sessions = Bundle("sessions")

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.prefix = f"life-{next(numbers)}-"
        self.world = World([self.prefix + "ours", self.prefix + "theirs"])

    @initialize(target=sessions, first=COMPLETE, second=COMPLETE, said=ANSWERS)
    def begin(self, first, second, said):
        links = [{"source": "life", "external_id": f"{self.prefix}{n}"} for n in range(4)]
        self.prospects = [(link, new_prospect(self.client, links=[link])["id"]) for link in links]
        self.publish_anew("ours", first)
        opened = self.open(0, ("ours", "bare"), said, strange=False)
        self.publish_anew("ours", second)
        return opened

    @rule(key=KEYS, document=DOCUMENTS, seen=SEEN)
    def save(self, key, document, seen):
        self.put(self.prefix + key, self.with_own_keys(document), seen)

    @rule(key=KEYS, seen=SEEN)
    def save_again(self, key, seen):
        draft = self.world.sets[self.prefix + key].draft
        if draft is not None:
            self.put(self.prefix + key, draft, seen)

    def put(self, key, document, seen):
        known, tag = self.world.sets[key], self.seen_of(key, seen)
        response = self.client.put(address(key), json=document, headers=if_match(tag))
        before = known.revision
        changed = agreed(response, lambda: self.world.save(key, document, tag))
        if changed is not None:
            known.revision = response.json()["revision"]
            assert (known.revision > before) == changed
            self.draft_agrees(key, response)

    def draft_agrees(self, key, response):
        told, known = ok(response), self.world.sets[key]
        flaws = self.world.flaws(key, known.draft)
        assert response.headers["ETag"] == f'"{known.revision}"'
        assert (told["revision"], told["document"]) == (known.revision, {"key": key, **known.draft})
        assert sorted(flaw["pointer"] for flaw in told["flaws"]) == flaws
        assert told["publishable"] == (not flaws)
        assert asked_by(told["definition"]) == (None if flaws else asked_by(self.world.whole(known.draft)))

    def read_draft(self, key):
        response = self.client.get(address(key))
        if agreed(response, lambda: self.world.find_draft(key)) is not None:
            self.draft_agrees(key, response)

    @precondition(there_is_a_draft)
    @rule(key=KEYS, seen=SEEN)
    def discard(self, key, seen):
        key = self.prefix + key
        tag = self.seen_of(key, seen)
        response = self.client.delete(address(key), headers=if_match(tag))
        agreed(response, lambda: self.world.discard(key, tag))
        self.read_draft(key)

    @precondition(there_is_a_draft)
    @rule(key=KEYS, seen=SEEN)
    def publish(self, key, seen):
        key = self.prefix + key
        tag = self.seen_of(key, seen)
        response = self.client.post(address(key, "/draft/publish"), headers=if_match(tag))
        published = agreed(response, lambda: self.world.publish(key, tag))
        if published is not None:
            number, is_new = published
            assert (response.status_code, response.json()["version"]) == (201 if is_new else 200, number)
            self.newest_agrees(key)

    @rule(key=KEYS, document=COMPLETE | VARIANT)
    def publish_anew(self, key, document):
        self.save(key, document, "right")
        self.publish(key, "right")

    @rule(which=WHICH)
    def publish_again(self, which):
        """What was published before, or even is the newest."""
        document = self.world.version(self.named(("ours", which)))
        if document is not None:
            self.put(self.prefix + "ours", document, "right")
            self.publish("ours", "right")

    @rule(key=KEYS, which=WHICH)
    def retire(self, key, which):
        key, number = split(self.named((key, which)))
        response = self.client.post(address(key, f"/versions/{number or 1}/retire"))
        agreed(response, lambda: self.world.retire(key, number or 1))
        self.newest_agrees(key)

    def newest_agrees(self, key):
        newest, response = self.world.sets[key].newest(), self.client.get(address(key, ""))
        if newest is None:
            assert refusal(response) == (404, "not-found")
        else:
            assert ok(response)["version"] == newest

    def versions_agree(self, key):
        known, response = self.world.sets[key], self.client.get(address(key, "/versions"))
        if not known.versions:
            assert refusal(response) == (404, "not-found")
            return
        assert [(line["version"], line["status"]) for line in ok(response)["items"]] == known.listed()
        for number, document in enumerate(known.versions, 1):
            told = ok(self.client.get(address(key, f"/versions/{number}")))
            assert asked_by(told["definition"]) == asked_by(document)
        self.sessions_agree(key)

    @rule(target=sessions, who=WHO, name=NAMES, said=ANSWERS, strange=STRANGE)
    def open(self, who, name, said, strange):
        (_, prospect), name = self.prospects[who], self.named(name)
        answers = self.answers(name, said, strange=strange)
        sent = {"prospect_id": prospect, "question_set": name, "answers": listed(answers)}
        response = self.client.post("/v1/sessions", json=sent)
        opened = agreed(response, lambda: self.world.open(prospect, name, answers))
        return self.begun(opened, ok(response, 201)) if opened else multiple()

    @rule(target=sessions, who=WHO, name=NAMES, said=ANSWERS, strange=STRANGE)
    def qualify(self, who, name, said, strange):
        (link, prospect), name = self.prospects[who], self.named(name)
        answers = self.answers(name, said, strange=strange)
        # Without answers it looks at the last session, whatever its version.
        name = name if answers else split(name)[0]
        response = self.client.post(
            "/v1/qualify", json={**link, "question_set": name, "answers": listed(answers)}
        )
        done = agreed(response, lambda: self.world.qualify(prospect, name, answers))
        if done is None:
            return multiple()
        session, is_new = done
        assert response.json()["session_opened"] == is_new
        if is_new:
            return self.begun(session, ok(response))
        assert self.world.sessions[response.json()["session_id"]] is session
        self.session_agrees(session, response.json())
        return multiple()

    def begun(self, session, told):
        assert told["session_id"] not in self.world.sessions
        self.world.sessions[told["session_id"]] = session
        self.session_agrees(session, told)
        return told["session_id"]

    @rule(session_id=sessions, said=ANSWERS, strange=STRANGE)
    def answer(self, session_id, said, strange):
        session = self.world.sessions[session_id]
        answers = self.answers(session.name, said, strange=strange)
        response = patch(self.client, session_id, answers=listed(answers))
        self.done(session, response, lambda: self.world.record(session, answers))

    @rule(session_id=sessions, name=NAMES, seen=SEEN)
    def move(self, session_id, name, seen):
        session, name = self.world.sessions[session_id], self.named(name)
        before, revision = session.name, seen_as(seen, session.revision)
        sent = {"question_set": name, "revision": revision}
        response = self.client.post(f"/v1/sessions/{session_id}/move", json=sent)
        dropped = self.done(session, response, lambda: self.world.move(session, name, revision))
        if dropped is not None:
            told = response.json()
            assert told["moved_from"] == before
            assert {one["question"] for one in told["dropped"]} == dropped

    @rule(session_id=sessions, decision=DECISIONS, seen=SEEN)
    def decide(self, session_id, decision, seen):
        session = self.world.sessions[session_id]
        revision = seen_as(seen, session.revision)
        response = self.client.post(
            f"/v1/sessions/{session_id}/decision",
            json={"decision": decision, "actor": "ana@example.com"},
            headers=if_match(revision),
        )
        self.done(session, response, lambda: self.world.decide(session, decision, revision))

    @precondition(another_is_open)
    @rule(session_id=sessions, outcome=OUTCOMES)
    def conclude(self, session_id, outcome):
        session = self.world.sessions[session_id]
        response = conclude(self.client, session_id, outcome)
        self.done(session, response, lambda: self.world.conclude(session, outcome))

    def done(self, session, response, work):
        result = agreed(response, work)
        if response.is_success:
            self.session_agrees(session, response.json())
        return result

    def session_agrees(self, session, told):
        said = {name: told[name] for name in ("question_set", "status", "revision")}
        said["answers"], said["indication"] = ratings_of(told), told["score"]["indication"]
        said |= {name: told[name] and told[name][name] for name in ("decision", "outcome")}
        assert said == self.world.told(session)
        assert told["score"]["question_set"] == told["question_set"]

    def teardown(self):
        """Nothing of what was there has changed behind anybody's back."""
        for key in self.world.sets:
            self.read_draft(key)
            self.newest_agrees(key)
            self.versions_agree(key)
        for session_id, session in self.world.sessions.items():
            self.session_agrees(session, ok(self.client.get(f"/v1/sessions/{session_id}")))

    def sessions_agree(self, key):
        shown = ("question_set", "status", "revision", "indication", "decision", "outcome")
        lines = every_page(self.client, f"/v1/sessions?question_set={key}&limit=200")
        said = {line["session_id"]: {name: line[name] for name in shown} for line in lines}
        known = {i: self.world.told(s) for i, s in self.world.sessions.items() if s.key == key}
        assert said == {i: {name: told[name] for name in shown} for i, told in known.items()}

    def named(self, name):
        """The name of a version: the set's bare key, or the key with a number that it may have."""
        key, which = name
        key = self.prefix + key
        last = len(self.world.sets[key].versions) if key in self.world.sets else 0
        number = {"bare": None, "first": 1, "second": 2, "last": last or 1, "next": last + 1}[which]
        return key if number is None else f"{key}@{number}"

    def answers(self, name, said, *, strange):
        """Answers to the first questions of that version; a strange one to a question of no set."""
        answers = dict(zip(self.world.asked(name), said, strict=False))
        answers |= {"stranger": 3} if strange else {}
        return {question: one for question, one in answers.items() if one is not None}

    def with_own_keys(self, document):
        return (
            document | {"extends": self.prefix + document["extends"]} if "extends" in document else document
        )

    def seen_of(self, key, seen):
        """The revision to name; who sees no draft is right to name none."""
        known = self.world.sets[key]
        return None if seen == "right" and known.draft is None else seen_as(seen, known.revision)


def agreed(response, work):
    """What the model says to what the service did; None where both refuse, for the same reasons."""
    said = worked(work)
    if isinstance(said, Refused):
        assert refusal(response) == (said.status, said.slug), said
        assert told_why(response) == said.codes
        return None
    assert response.is_success, response.text
    return said


def worked(work):
    try:
        return work()
    except Refused as refused:
        return refused


def told_why(response):
    """The codes of the fields that a refusal names; of a draft their pointers."""
    what = "pointer" if refusal(response)[1] == "draft-has-flaws" else "code"
    return sorted(error[what] for error in response.json().get("errors", []))


def asked_by(definition):
    """What of a definition the model knows, without what is filled in."""
    if definition is None:
        return None
    told = {name: definition[name] for name in ("title", "scale", "thresholds", "dimensions")}
    asked = [[q[name] for name in ("key", "text", "weight", "dimension")] for q in questions(definition)]
    return told | {"extends": definition.get("extends"), "questions": asked}


def listed(answers):
    """Answers as a typed client sends them."""
    return [
        {"question": question, "state": said}
        if isinstance(said, str)
        else {"question": question, "rating": said}
        for question, said in answers.items()
    ]


def seen_as(seen, current):
    """The revision that a caller names, who has seen the current one or not."""
    earlier = current - 1 if current > 1 else None
    return {"right": current or None, "nothing": None, "earlier": earlier, "never": current + 1000}[seen]


def if_match(revision):
    return {"If-Match": f'"{revision}"'} if revision is not None else {}


def address(key, path="/draft"):
    return f"/v1/question-sets/{key}{path}"


def test_the_service_lives_as_the_model_does(client):
    run_state_machine_as_test(
        lambda: LifeCycle(client), settings=settings(effort(EXAMPLES), stateful_step_count=STEPS)
    )
