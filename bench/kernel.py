"""One score of 28 questions beside two rule engines that only add it up: python -m bench.kernel"""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import zen
from json_logic import jsonLogic

from app.scoring import ratings_sent, read_answers, score
from bench.warehouse import every_question_scored

ROUNDS, TIMES = 9, 1000


def main() -> None:
    plan = every_question_scored()
    ratings = {key: 1 + place % 5 for place, key in enumerate(plan.questions)}
    answers = read_answers(plan.question_set, ratings_sent(ratings))
    weights = {key: question.weight for key, question in plan.questions.items()}
    now = datetime.now(UTC)
    zens = zen.compile_expression(" + ".join(f"{weight} * {key}" for key, weight in weights.items()))
    logic = {"+": [{"*": [weight, {"var": key}]} for key, weight in weights.items()]}
    kinds: dict[str, Callable[[], object]] = {
        "the whole score": lambda: score(plan, answers, {}, as_of=now),
        "weighted sum by zen-engine": lambda: zens.evaluate(ratings),
        "weighted sum by json-logic": lambda: jsonLogic(logic, ratings),
    }
    wanted = sum(weight * ratings[key] for key, weight in weights.items())
    assert zens.evaluate(ratings) == jsonLogic(logic, ratings) == wanted
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, work in kinds.items():
            times[kind].append(timed(work))
    for kind, taken in times.items():
        print(f"{kind}: {statistics.median(taken):.0f} µs")


def timed(work: Callable[[], object]) -> float:
    """Microseconds of one."""
    started = time.perf_counter()
    for _ in range(TIMES):
        work()
    return (time.perf_counter() - started) / TIMES * 1e6


if __name__ == "__main__":
    main()
