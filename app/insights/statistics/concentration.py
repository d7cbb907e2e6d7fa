"""How far an amount, such as revenue, is concentrated on few accounts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.insights.statistics.estimate import Floats

Class = Literal["A", "B", "C"]
A_ENDS_AT = 0.8
B_ENDS_AT = 0.95
FIFTH = 0.2
# A sum of shares has rounding errors.
ROUNDING = 1e-9
FEWEST_ACCOUNTS_WITH_A_FIFTH = 5


@dataclass(frozen=True, slots=True)
class Concentration:
    """The accounts from the largest amount to the smallest.

    `order` has the position of each account in the input, `cumulative` the share of the total that the
    accounts up to it hold, and `classes` its class. Accounts with negative amounts, which `negative` counts,
    are in none of them and not in `total`. `gini` is 0 if all amounts are equal and close to 1 if one account
    holds everything. `top_fifth` is the share that the largest fifth of the accounts holds; None below five
    accounts.
    """

    accounts: int
    negative: int
    zero: int
    total: float
    order: list[int]
    cumulative: list[float]
    classes: list[Class]
    top_fifth: float | None
    gini: float | None


def concentration(amounts: Floats) -> Concentration:
    """Compute the concentration of the amounts.

    Class A holds the first 80 % of the total, class B the next 15 %: an account belongs to the class in which
    the share of the accounts before it ends. Accounts with equal amounts have the same class. Zero is always
    class C. If a fifth is not a whole number of accounts, the share of the next one counts in proportion. The
    Gini coefficient is Σ (2i − n − 1)·x_i / (n·Σx) over the amounts in ascending order.

    Args:
        amounts: one finite amount for each account.

    Returns:
        With empty lists and None for the shares if no amount is positive.
    """
    positions = np.flatnonzero(amounts >= 0)
    order = positions[np.argsort(-amounts[positions], kind="stable")]
    ordered = amounts[order]
    n = len(ordered)
    with np.errstate(over="ignore"):
        total = min(float(ordered.sum()), float(np.finfo(np.float64).max))
    negative, zero = int((amounts < 0).sum()), int((amounts == 0).sum())
    if total <= 0:
        return Concentration(n, negative, zero, 0.0, [], [], [], None, None)
    shares = ordered / ordered[0]
    shares /= shares.sum()
    cumulative = np.minimum(np.cumsum(shares), 1.0)
    curve = np.interp(FIFTH * n, np.arange(n + 1), np.concatenate([[0.0], cumulative]))
    ranks = np.arange(1, n + 1)
    gini = float(((n + 1 - 2 * ranks) * shares).sum()) / n
    return Concentration(
        accounts=n,
        negative=negative,
        zero=zero,
        total=total,
        order=order.tolist(),
        cumulative=cumulative.tolist(),
        classes=_classes(ordered, cumulative - shares),
        top_fifth=float(curve) if n >= FEWEST_ACCOUNTS_WITH_A_FIFTH else None,
        gini=max(0.0, gini),
    )


def _classes(ordered: Floats, before: Floats) -> list[Class]:
    """The class of each account, by the share of the accounts with larger amounts."""
    _, first, group = np.unique(-ordered, return_index=True, return_inverse=True)
    classes: list[Class] = []
    for amount, share in zip(ordered.tolist(), before[first][group].tolist(), strict=True):
        if amount == 0 or share > B_ENDS_AT - ROUNDING:
            classes.append("C")
        else:
            classes.append("A" if share < A_ENDS_AT - ROUNDING else "B")
    return classes
