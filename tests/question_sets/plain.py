"""The life of question sets and of sessions on them, in dicts and lists: what a service has to say.

It shares nothing with the service. Its question sets have one step of questions in one pool, whole or
as a variant that omits some.
"""

from dataclasses import dataclass, field
from fractions import Fraction

NEEDED = ("title", "combine", "dimensions", "steps")


class Refused(Exception):
    """What the service has to refuse; `codes` are those of the fields that it names, if it names some."""

    def __init__(self, status, slug, *codes):
        super().__init__(f"{status} {slug} {codes}")
        self.status, self.slug, self.codes = status, slug, list(codes)


@dataclass
class PlainSet:
    """A question set: its versions from 1 on, its draft, and the last revision told of any draft."""

    key: str
    versions: list = field(default_factory=list)
    retired: set = field(default_factory=set)
    draft: dict | None = None
    revision: int = 0

    def newest(self):
        """The number of the newest version that is not retired."""
        return max(set(range(1, len(self.versions) + 1)) - self.retired, default=None)

    def listed(self):
        """Number and status of every version, newest first."""
        numbers = range(len(self.versions), 0, -1)
        return [(n, "retired" if n in self.retired else "published") for n in numbers]


@dataclass
class PlainSession:
    """A session; `decided` is the decision and the revision that it was made on."""

    prospect: str
    key: str
    version: int
    answers: dict = field(default_factory=dict)
    revision: int = 1
    status: str = "open"
    decided: tuple | None = None
    outcome: str | None = None

    @property
    def name(self):
        return f"{self.key}@{self.version}"


class World:
    """All sets by key, and all sessions by id, in the order they were opened.

    `sent_last` has what the link of a prospect sent last about a set, by question.
    """

    def __init__(self, keys):
        self.sets = {key: PlainSet(key) for key in keys}
        self.sessions = {}
        self.sent_last = {}

    def save(self, key, document, seen):
        """Save a draft; whether that changed anything."""
        known = self.sets[key]
        if known.draft is None and seen is not None:
            raise Refused(412, "stale-revision") if known.revision else Refused(404, "not-found")
        if known.draft == document:
            return False
        if known.draft is not None:
            require(known.revision, seen)
        known.draft = document
        return True

    def find_draft(self, key):
        if self.sets[key].draft is None:
            raise Refused(404, "not-found")
        return self.sets[key].draft

    def discard(self, key, seen):
        self.find_draft(key)
        require(self.sets[key].revision, seen)
        self.sets[key].draft = None

    def publish(self, key, seen):
        """Publish a draft; the number of the version, and whether it is new."""
        known, document = self.sets[key], self.find_draft(key)
        require(known.revision, seen)
        if flaws := self.flaws(key, document):
            raise Refused(422, "draft-has-flaws", *flaws)
        whole, newest, known.draft = self.whole(document), known.newest(), None
        if newest and known.versions[newest - 1] == whole:
            return newest, False
        known.versions.append(whole)
        return len(known.versions), True

    def retire(self, key, number):
        if number > len(self.sets[key].versions):
            raise Refused(404, "not-found")
        self.sets[key].retired.add(number)

    def whole(self, document):
        """The set that a draft without flaws tells."""
        if "steps" in document:
            return document
        base = self.version(document["extends"])
        left = [q for q in questions(base) if q["key"] not in document["omit"]]
        return base | {"extends": document["extends"], "steps": [base["steps"][0] | {"questions": left}]}

    def flaws(self, key, document):
        """The places in a document where something is missing or wrong, sorted."""
        if "extends" in document and self.version(document["extends"]) is None:
            return ["/extends"]
        if "extends" in document and "steps" not in document:
            return self.flaws_of_a_variant(key, document)
        shape = [f"/{name}" for name in NEEDED if name not in document]
        shape += ["/colour"] if "colour" in document else []
        cuts = document.get("thresholds", {"no_fit_below": 1, "fit_at": 1})
        rules = ["/thresholds/no_fit_below"] if cuts["no_fit_below"] > cuts["fit_at"] else []
        changed = self.changed_meanings(key, document) if "steps" in document else []
        return sorted([*shape, *rules, *changed])

    def flaws_of_a_variant(self, key, document):
        keys = self.asked(document["extends"])
        unknown = [f"/omit/{i}" for i, omitted in enumerate(document["omit"]) if omitted not in keys]
        nothing_left = ["/omit"] if set(keys) <= set(document["omit"]) else []
        changed = ["/extends"] * len(self.changed_meanings(key, self.whole(document)))
        return sorted([*unknown, *nothing_left, *changed])

    def changed_meanings(self, key, whole):
        """Where a question is not what an earlier version, or the one extended, asked under its key."""
        made_from = [self.version(whole["extends"])] if "extends" in whole else []
        places = []
        for before in [*made_from, *self.sets[key].versions]:
            known = {q["key"]: q["dimension"] for q in questions(before)}
            shared = [(i, q) for i, q in enumerate(questions(whole)) if q["key"] in known]
            changed = [i for i, q in shared if q["dimension"] != known[q["key"]]]
            places += [f"/steps/0/questions/{i}/dimension" for i in changed]
            places += ["/scale"] if shared and before["scale"] != whole["scale"] else []
        return sorted(places)

    def version(self, name):
        """The set that "key" or "key@n" names, None if there is none."""
        key, number = split(name)
        known = self.sets.get(key, PlainSet(key))
        number = number or known.newest()
        return known.versions[number - 1] if number and number <= len(known.versions) else None

    def asked(self, name):
        """The keys of the questions of that version; none if there is none."""
        version = self.version(name)
        return [q["key"] for q in questions(version)] if version else []

    def to_open(self, name):
        """Key and number of the version to open a session with."""
        key, number = split(name)
        known = self.sets.get(key, PlainSet(key))
        number = number or known.newest()
        if number is None or number > len(known.versions):
            raise Refused(422, "invalid-request", "unknown_question_set")
        if number in known.retired:
            raise Refused(422, "invalid-request", "retired")
        return key, number

    def open(self, prospect, name, answers):
        key, number = self.to_open(name)
        if self.sessions_of(prospect, key, "open"):
            raise Refused(409, "session-is-open")
        session = PlainSession(prospect, key, number)
        self.record(session, answers)
        session.revision = 1
        return session

    def qualify(self, prospect, name, answers):
        """The session, and whether it is a new one. An answer that the link repeats changes nothing."""
        key, number = split(name)
        sent = self.sent_last.setdefault((prospect, key), {})
        new = {question: answer for question, answer in answers.items() if sent.get(question) != answer}
        for session in self.sessions_of(prospect, key, "open"):
            if number not in (None, session.version):
                raise Refused(409, "session-is-open")
            self.require_asked(session, answers)
            self.record(session, new)
            sent |= answers
            return session, False
        closed = self.sessions_of(prospect, key, "closed")
        if closed and set(answers) <= set(self.asked(closed[-1].name)) and self.has_all(closed[-1], new):
            return closed[-1], False
        session = self.open(prospect, name, answers)
        sent |= answers
        return session, True

    def has_all(self, session, answers):
        """Whether a session has these answers already."""
        return all(session.answers.get(question, "open") == answer for question, answer in answers.items())

    def sessions_of(self, prospect, key, status):
        wanted = (prospect, key, status)
        return [s for s in self.sessions.values() if (s.prospect, s.key, s.status) == wanted]

    def record(self, session, answers):
        if session.status == "closed":
            raise Refused(409, "session-is-closed")
        self.require_asked(session, answers)
        before = dict(session.answers)
        session.answers |= {q: a for q, a in answers.items() if a != "open" or q in before}
        session.revision += before != session.answers

    def require_asked(self, session, answers):
        if unknown := set(answers) - set(self.asked(session.name)):
            raise Refused(422, "invalid-request", *["unknown_question"] * len(unknown))

    def move(self, session, name, seen):
        """The questions whose answers were dropped."""
        if seen is not None:
            require(session.revision, seen)
        key, number = self.to_open(name)
        if session.status == "closed":
            raise Refused(409, "session-is-closed")
        if key != session.key:
            raise Refused(422, "invalid-request", "other_set")
        if number < session.version:
            raise Refused(422, "invalid-request", "older")
        session.revision += number > session.version
        session.version = number
        dropped = set(session.answers) - set(self.asked(session.name))
        session.answers = {q: a for q, a in session.answers.items() if q not in dropped}
        return dropped

    def decide(self, session, decision, seen):
        if seen is None:
            raise Refused(428, "revision-required")
        again = [(decision, session.revision - 1), (decision, session.revision)]
        if session.decided == again[0] and seen in (session.revision - 1, session.revision):
            return
        if session.status == "closed":
            raise Refused(409, "session-is-closed")
        require(session.revision, seen)
        session.decided = again[1]
        session.status = "closed" if decision == "disqualify" else "open"
        session.revision += 1

    def conclude(self, session, outcome):
        session.revision += session.outcome != outcome
        session.outcome, session.status = outcome, "closed"

    def told(self, session):
        """All that a session has to say of itself."""
        return {
            "question_set": session.name,
            "status": session.status,
            "revision": session.revision,
            "answers": session.answers,
            "indication": indication(self.version(session.name), session.answers),
            "decision": session.decided and session.decided[0],
            "outcome": session.outcome,
        }


def require(current, seen):
    if seen is None:
        raise Refused(428, "revision-required")
    if seen != current:
        raise Refused(412, "stale-revision")


def split(name):
    """The key and number in "key@n", the key and None in "key"."""
    key, _, number = name.partition("@")
    return key, int(number) if number else None


def questions(document):
    return document["steps"][0]["questions"]


def indication(document, answers):
    """The first rule that holds, of those for a set without any must-reach."""
    lo, hi = document["scale"]["min"], document["scale"]["max"]
    weights = {q["key"]: q["weight"] for q in questions(document)}
    rated = {q: answers[q] for q in weights if isinstance(answers.get(q), int)}
    skipped = sum(weights[q] for q in weights if answers.get(q) == "not_applicable")
    all_weight, known = sum(weights.values()), sum(weights[q] for q in rated)
    counting = all_weight - skipped
    if counting == 0:
        return "unscorable"
    earned = sum(weights[q] * Fraction(rating - lo, hi - lo) for q, rating in rated.items())
    lowest, highest = (100 * sure / counting for sure in (earned, earned + counting - known))
    cuts = document["thresholds"]
    if highest < cuts["no_fit_below"]:
        return "no_fit"
    if lowest >= cuts["fit_at"] and 2 * known >= all_weight:
        return "fit"
    if lowest >= cuts["no_fit_below"] and (highest < cuts["fit_at"] or 2 * counting < all_weight):
        return "mixed"
    return "undetermined"
