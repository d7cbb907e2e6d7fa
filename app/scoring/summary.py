"""The score in one plain sentence that a sales leader understands."""

from collections.abc import Mapping

from app.scoring.indication import MustReach
from app.scoring.result import Indication, SoFar
from app.scoring.tally import Tally

SETTLED: Mapping[Indication, str] = {
    "fit": "A fit",
    "no_fit": "Not a fit",
    "mixed": "Mixed, neither a fit nor a clear no",
    "unscorable": "Cannot be scored, since nothing that counts applies",
}
LEANING: Mapping[SoFar, str] = {
    "fit": "Leaning to a fit",
    "no_fit": "Leaning to no fit",
    "mixed": "Leaning to a mixed picture",
}


def summarise(
    indication: Indication | None,
    so_far: SoFar | None,
    score: float | None,
    total: Tally,
    weaker_side: str | None,
    must: MustReach,
) -> str:
    """What is indicated, how much of it is known, and what stands in the way."""
    parts = [f"{_verdict(indication, so_far, score)}, {_known(total)}"]
    if weaker_side:
        parts.append(f"{_spoken([weaker_side])} is the weaker side")
    if must.knocked_out:
        parts.append(f"{_spoken(must.knocked_out)} ruled it out")
    elif must.held_back:
        parts.append(f"{_spoken(must.held_back)} held it back")
    if must.open and indication not in SETTLED:
        parts.append(f"{_spoken(must.open)} still open")
    return "; ".join(parts) + "."


def _verdict(indication: Indication | None, so_far: SoFar | None, score: float | None) -> str:
    if indication and indication in SETTLED:
        return SETTLED[indication]
    if so_far:
        return LEANING[so_far]
    return "Too early to say" if score is None else f"Scored {score:.0f} of 100"


def _known(total: Tally) -> str:
    asked = total.rated + total.open
    return f"{total.rated} of {asked} question{'' if asked == 1 else 's'} rated"


def _spoken(keys: list[str]) -> str:
    """Up to three question keys as words: "budget, timeline and 2 more"."""
    words = [key.replace("_", " ") for key in keys]
    if len(words) > 3:
        words = [*words[:2], f"{len(words) - 2} more"]
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
