"""How much the outcomes of a cohort can show."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.insights.statistics.estimate import Bools, Floats, weights_or_ones

# Below this number of won or of lost deals, no probability and no figure of a question is shown.
MINIMUM_OF_EACH = 10
# Below this number of won or of lost deals, a calibration is preliminary.
ESTABLISHED_OF_EACH = 100
# Below this number of things that several people rated, no agreement is shown; below this number of sessions,
# no correlation.
MINIMUM_OF_UNITS = 10
# Weights such as 1/3 do not add up exactly.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Evidence:
    """The weights of won and lost deals: their number, if each prospect has one session."""

    won: float
    lost: float

    @property
    def sufficient(self) -> bool:
        return min(self.won, self.lost) >= MINIMUM_OF_EACH - TOLERANCE

    @property
    def preliminary(self) -> bool:
        return min(self.won, self.lost) < ESTABLISHED_OF_EACH - TOLERANCE


def evidence(won: Bools, weights: Floats | None = None) -> Evidence:
    """Add up the weights of the won and of the lost deals."""
    shares = weights_or_ones(weights, len(won))
    return Evidence(won=float(shares[won].sum()), lost=float(shares[~won].sum()))


def prospect_weights(prospects: npt.NDArray[np.generic]) -> Floats:
    """The weight of each session: 1 / (sessions of its prospect). They add up to the number of prospects.

    Args:
        prospects: what identifies the prospect of each session, such as a number.
    """
    _, prospect, sessions = np.unique(prospects, return_inverse=True, return_counts=True)
    weights: Floats = 1.0 / sessions[prospect]
    return weights
