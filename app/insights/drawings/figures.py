"""The figures that several pictures show, and how they are written."""

from dataclasses import dataclass
from typing import NamedTuple

from app.insights.words import percent


class Interval(NamedTuple):
    """An estimate with the limits of its interval. Rates and shares are fractions: 0.5 is 50 %."""

    estimate: float
    low: float
    high: float


class Words(NamedTuple):
    """The texts at the top of a picture: its title, what it is drawn from, and what it says."""

    title: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Count:
    """The won and lost sessions of a band, or deals of a period. The win rate is None if there are none."""

    label: str
    won: int
    lost: int
    rate: Interval | None

    @property
    def total(self) -> int:
        """How many were won or lost."""
        return self.won + self.lost

    def sentence(self) -> str:
        """Return the figures in words: "80 to 100: 24 of 30 won, 80 % (63 % to 91 %)."."""
        return f"{self.label}: {self.figures()}."

    def figures(self) -> str:
        """Return the figures without the label."""
        if self.rate is None:
            return "none"
        return f"{self.won:,} of {self.total:,} won, {percent_interval(self.rate)}"


def percent_interval(interval: Interval) -> str:
    """Return a share with its limits: "80 % (63 % to 91 %)"."""
    estimate, low, high = map(percent, interval)
    return f"{estimate} ({low} to {high})"


def ratio(value: float) -> str:
    """Return a figure between 0 and 1 with two decimals, or with three if two would say one half wrongly."""
    written = f"{value:.2f}"
    return f"{value:.3f}" if written == "0.50" and value != 0.5 else written


def ratio_interval(interval: Interval) -> str:
    """Return a figure between 0 and 1 with its limits: "0.72 (0.61 to 0.83)"."""
    return f"{ratio(interval.estimate)} ({ratio(interval.low)} to {ratio(interval.high)})"


def counted_accounts(count: int) -> str:
    """Return a number of accounts in words: "1 account", "1,200 accounts"."""
    return f"{count:,} account{'' if count == 1 else 's'}"
