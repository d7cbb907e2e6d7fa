"""What is drawn for the life of question sets: documents, names, answers and decisions."""

from hypothesis import strategies as st

QUESTIONS = ["budget", "need", "timeline", "goal", "power"]
SCALES = [{"min": 1, "max": 5, "labels": []}] * 6 + [{"min": 0, "max": 10, "labels": []}]
DIMENSIONS = [
    {"key": "need", "title": "Need", "if_weak": "they need little"},
    {"key": "worth", "title": "Worth", "if_weak": "it is worth little"},
]


def whole_set(title, scale, cuts, asked):
    """A question set of one step; `asked` holds the key, weight and dimension of every question."""
    asked = [
        {"key": key, "text": "How is it?", "weight": weight, "dimension": dimension}
        for key, weight, dimension in asked
    ]
    return {
        "title": title,
        "scale": scale,
        "combine": "weighted",
        "dimensions": DIMENSIONS,
        "thresholds": {"fit_at": cuts[0], "no_fit_below": cuts[1]},
        "steps": [{"key": "only", "title": "Only", "questions": asked}],
    }


def spoilt(document, lacks, *, has_more):
    left = {name: value for name, value in document.items() if name not in lacks}
    return left | {"colour": "red"} if has_more else left


CUT = st.sampled_from([1, 25, 50, 60, 75, 100]) | st.integers(1, 100)
IN_ORDER = st.tuples(CUT, CUT).map(lambda cuts: (max(cuts), min(cuts)))
ASKED = st.tuples(st.sampled_from(QUESTIONS), st.integers(1, 3), st.sampled_from(["need"] * 9 + ["worth"]))
ALL_ASKED = st.lists(ASKED, min_size=1, max_size=4, unique_by=lambda asked: asked[0])
TITLES, ALL_SCALES = st.sampled_from(["One", "Two"]), st.sampled_from(SCALES)
COMPLETE = st.builds(whole_set, TITLES, ALL_SCALES, IN_ORDER, ALL_ASKED)
INCOMPLETE = st.builds(
    spoilt,
    st.builds(whole_set, TITLES, ALL_SCALES, st.tuples(CUT, CUT), ALL_ASKED),
    st.sets(st.sampled_from(["title", "combine", "dimensions", "steps"])),
    has_more=st.booleans(),
)
OMITTED = st.lists(st.sampled_from(QUESTIONS), max_size=2, unique=True)
VARIANT = st.fixed_dictionaries(
    {"extends": st.sampled_from(["ours@1", "ours@2", "theirs@1"]), "omit": OMITTED}
)
DOCUMENTS = COMPLETE | COMPLETE | INCOMPLETE | VARIANT

KEYS = st.sampled_from(["ours", "ours", "theirs"])
WHICH = st.sampled_from(["bare", "bare", "first", "second", "last", "last", "next"])
NAMES = st.tuples(st.sampled_from(["ours"] * 8 + ["theirs", "nobody"]), WHICH)
SEEN = st.sampled_from(["right"] * 5 + ["nothing", "earlier", "never"])
SAID = st.integers(1, 5) | st.sampled_from(["not_applicable", "unknown", "open"])
# What is said to the first questions of a version, from eager to vague.
ANSWERS = (
    st.lists(st.sampled_from([4, 5]), max_size=4)
    | st.lists(st.sampled_from([5, "not_applicable"]), max_size=4)
    | st.lists(st.sampled_from([1, 2]), max_size=4)
    | st.lists(st.none() | SAID, max_size=4)
)
# Whether a question is answered that no set has.
STRANGE = st.sampled_from([False] * 9 + [True])
WHO = st.integers(0, 3)
OUTCOMES = st.sampled_from(["won", "lost", "no_decision"])
DECISIONS = st.sampled_from(["pursue", "pursue", "nurture", "nurture", "disqualify"])
