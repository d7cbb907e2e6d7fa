"""Counts, shares and intervals in words, for the summaries of reports."""

from app.insights.schemas import Estimate, Excluded


def deals_in_words(won: int, lost: int) -> str:
    """Return counts as the subject of a sentence: "30 won and 25 lost deals", "7 won and no lost deals"."""
    return _won_and_lost(won, lost, "deal")


def sessions_in_words(won: int, lost: int) -> str:
    """Return the same of sessions, of which a deal can have several: "30 won and 25 lost sessions"."""
    return _won_and_lost(won, lost, "session")


def _won_and_lost(won: int, lost: int, noun: str) -> str:
    if won + lost == 0:
        return f"no won or lost {noun}s"
    return f"{won or 'no'} won and {lost or 'no'} lost {noun}{'' if lost == 1 else 's'}"


def no_sessions_in_words(left_out: Excluded | None) -> str:
    """Return the summary if no session was won or lost. `left_out` is None for those with hindsight."""
    if left_out is None:
        return "There are no sessions with hindsight."
    if left_out.hindsight and not left_out.not_scored:
        return (
            "All won and lost sessions were rated when the outcome was already known, so nothing can be said "
            "yet."
        )
    return "No won or lost session has enough ratings from before its outcome, so nothing can be said yet."


def count_in_words(count: int, one: str, many: str) -> str:
    """Return a count with its noun: "1 deal", "2 deals"."""
    return f"{count} {one if count == 1 else many}"


def percent(share: float) -> str:
    """Return a share of 0..1 as a percentage: "55 %". Only 0 itself is "0 %", and only 1 is "100 %"."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def percent_with_range(share: Estimate) -> str:
    """Return a share of 0..1 with its interval: "55 % (42 % to 67 %)"."""
    return f"{percent(share.estimate)} ({percent(share.low)} to {percent(share.high)})"


def capitalised(sentence: str) -> str:
    """Return a sentence with a capital letter at its beginning."""
    return sentence[:1].upper() + sentence[1:]
