"""The indication by the design alone, and what comes with it: leaning, settled, next questions."""

INDICATED = ("fit", "no_fit", "mixed")


def indication(reference):
    """The five rules of the design, in their order."""
    thresholds = reference.set.thresholds
    if thresholds is None:
        return None
    if no_fit(reference, thresholds):
        return "no_fit"
    if any(unit.counts == 0 for unit in reference.units):
        return "unscorable"
    if fit(reference, thresholds):
        return "fit"
    return "mixed" if mixed(reference, thresholds) else "undetermined"


def no_fit(reference, thresholds):
    highest = [unit.highest for unit in reference.units if unit.counts]
    return bool(reference.missed_knock_outs) or any(one < thresholds.no_fit_below for one in highest)


def fit(reference, thresholds):
    return (
        reference.reportable
        and all(unit.lowest >= thresholds.fit_at for unit in reference.units)
        and all(one.state == "rated" and not one.missed for one in reference.must_reach)
    )


def mixed(reference, thresholds):
    if any(one.knocks_out and one.state == "open" for one in reference.must_reach):
        return False
    if any(unit.lowest < thresholds.no_fit_below for unit in reference.units):
        return False
    return (
        any(unit.highest < thresholds.fit_at for unit in reference.units)
        or bool(reference.other_blockers)
        or not all(unit.can_become_reportable for unit in reference.units)
    )


def settled(reference):
    return indication(reference) in INDICATED


def leaning(reference):
    """The indication as if the open questions were not in the set."""
    thresholds = reference.set.thresholds
    if thresholds is None or not reference.reportable:
        return None
    estimates = [unit.estimate for unit in reference.units]
    if reference.missed_knock_outs or min(estimates) < thresholds.no_fit_below:
        return "no_fit"
    return "fit" if min(estimates) >= thresholds.fit_at and not reference.other_blockers else "mixed"


def final(reference):
    """What a session with nothing left open indicates: no range, only estimates."""
    thresholds = reference.set.thresholds
    estimates = [unit.estimate for unit in reference.units]
    known = [estimate for estimate in estimates if estimate is not None]
    if reference.missed_knock_outs or any(estimate < thresholds.no_fit_below for estimate in known):
        return "no_fit"
    if None in estimates:
        return "unscorable"
    a_fit = reference.reportable and min(known) >= thresholds.fit_at and not reference.other_blockers
    return "fit" if a_fit else "mixed"


def can_be_fit(reference):
    """Whether the best answer to every open question would make it one."""
    fit_at = reference.set.thresholds.fit_at
    return not (reference.missed_knock_outs or reference.other_blockers) and all(
        unit.counts and unit.highest >= fit_at and unit.can_become_reportable for unit in reference.units
    )


def needed_average(reference, group):
    if reference.set.thresholds is None or not can_be_fit(reference):
        return None
    return group.needed_average(reference.set.thresholds.fit_at)


def next_questions(reference, pursued):
    """(question, weight_share, ask_again) of the first three questions that are worth asking.

    Those of gated steps are worth asking when no other is.
    """
    asked = [one for one in open_questions(reference, pursued) if one.step.gated or not settled(reference)]
    gated_alone = all(one.step.gated for one in asked)
    worth_asking = [one for one in asked if one.step.gated == gated_alone]
    return [(one.question.key, weight_share(reference, one), one.ask_again) for one in worth_asking[:3]]


def open_questions(reference, pursued):
    """In the set's order, those answered unknown last; the gated ones after all others, once pursued."""
    gated = reference.gated if pursued else []
    return [
        one
        for part in (reference.scored, gated)
        for one in unknown_last([one for one in part if one.state == "open"])
    ]


def must_answer(reference):
    asked = [] if settled(reference) else open_questions(reference, pursued=False)
    return [one.question.key for one in asked if one.question.must_reach is not None]


def unknown_last(asked):
    return [one for one in asked if not one.unknown] + [one for one in asked if one.unknown]


def weight_share(reference, one):
    """A gated step, with figures of its own, is the unit of its questions."""
    gated = reference.group(other for other in reference.gated if other.step is one.step)
    units = [gated] if one.step.gated else reference.units
    unit = next(unit for unit in units if one in unit.asked)
    return 100 * one.question.weight / unit.counts if unit.counts else None
