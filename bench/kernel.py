"""One whole score as JSON, compared with the weighted sum of two rule engines: python -m bench.kernel"""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import zen
from json_logic import jsonLogic

from app.schemas import result_json
from app.scoring import ratings_sent, read_answers, score
from bench.table import Measure, in_turns, median_ratio, print_table
from bench.warehouse import every_question_scored

KERNEL_ROUNDS, REPEATS = 9, 1000


def measures() -> Iterator[Measure]:
    """Yield the time of the whole score of 28 questions, with and without its JSON."""
    plan = every_question_scored()
    rated = {key: 1 + place % 5 for place, key in enumerate(plan.questions)}
    answers = read_answers(plan.question_set, ratings_sent(rated))
    weights = {key: question.weight for key, question in plan.questions.items()}
    now = datetime.now(UTC)
    compiled = zen.compile_expression(" + ".join(f"{weight} * {key}" for key, weight in weights.items()))
    logic = {"+": [{"*": [weight, {"var": key}]} for key, weight in weights.items()]}
    kinds: dict[str, Callable[[], object]] = {
        "json": lambda: result_json(score(plan, answers, {}, as_of=now)),
        "score": lambda: score(plan, answers, {}, as_of=now),
        "json-logic's weighted sum": lambda: jsonLogic(logic, rated),
        "zen-engine's weighted sum": lambda: compiled.evaluate(rated),
    }
    expected = sum(weight * rated[key] for key, weight in weights.items())
    assert compiled.evaluate(rated) == jsonLogic(logic, rated) == expected
    results = in_turns(KERNEL_ROUNDS, {kind: partial(timed, work) for kind, work in kinds.items()})
    cost = {kind: f"{statistics.median(measured):.0f} µs" for kind, measured in results.items()}
    for kind, name, baseline, goal in (
        ("json", "whole score of 28 questions as JSON bytes", "json-logic's weighted sum", "≤ 0.8"),
        ("json", "whole score of 28 questions as JSON bytes", "zen-engine's weighted sum", ""),
        ("score", "whole score of 28 questions", "json-logic's weighted sum", ""),
    ):
        ratio = median_ratio(results[kind], results[baseline])
        yield Measure(name, cost[kind], f"{baseline}, {cost[baseline]}", ratio, goal)


def timed(work: Callable[[], object]) -> float:
    """Return the CPU microseconds of one call."""
    started = time.process_time()
    for _ in range(REPEATS):
        work()
    return (time.process_time() - started) / REPEATS * 1e6


if __name__ == "__main__":
    print_table(measures())
