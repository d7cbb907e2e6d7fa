"""The forest plot: for each question, how well its rating separates won from lost sessions."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from app.insights.drawings.chart import (
    CAP,
    GRID,
    HOLLOW,
    QUIET,
    REFERENCE,
    SOLID,
    WHISKER,
    Scale,
    Sign,
    described,
    draw_heading,
    draw_legend,
    draw_ticks,
    line_sign,
    nothing_drawn,
    point_sign,
)
from app.insights.drawings.figures import Interval, Words, ratio, ratio_interval
from app.insights.drawings.rows import MARK_HEIGHT, Rows, RowText
from app.insights.drawings.svg import Canvas, Lettering

NAME: Final = "forest"
TICKS = (0, 0.25, 0.5, 0.75, 1)
NO_DIFFERENCE = 0.5
# With more rows than this, the scale is written above them too.
ROWS_WITH_ONE_SCALE = 12


class QuestionRow(NamedTuple):
    """One question: the area under its ROC curve, or the reason why there is none.

    `matters` says whether won and lost sessions differ on it beyond chance.
    """

    label: str
    auc: Interval | None
    matters: bool
    remark: str

    @property
    def figures(self) -> str:
        """The figures in words, or the reason why there are none."""
        return ratio_interval(self.auc) if self.auc else self.remark


def draw_forest(words: Words, questions: Sequence[QuestionRow], width: float) -> str:
    """Return the plot as an SVG document of this width in pixels, with a row for each question."""
    if not any(question.auc for question in questions):
        return nothing_drawn(words, width, NAME)
    canvas = Canvas(width)
    top = draw_heading(canvas, words)
    texts = [RowText(question.label, question.figures) for question in questions]
    has_two_scales = len(questions) > ROWS_WITH_ONE_SCALE
    rows = Rows(texts, width, top + (44 if has_two_scales else 22))
    x = Scale(0, 1, rows.left, rows.right)
    _draw_ends(canvas, x, top)
    if has_two_scales:
        draw_ticks(canvas, _ticks(x), top + 22, right=width - 4)
    for number, question in enumerate(questions):
        _draw_grid(canvas, x, rows.middle(number))
        if question.auc:
            _draw_question(canvas, question, question.auc, x, rows.middle(number))
        rows.write(canvas, number)
    draw_ticks(canvas, _ticks(x), rows.bottom + 2, right=width - 4)
    end = draw_legend(canvas, _legend(questions), rows.bottom + 26)
    sentences = [f"{question.label}: {question.figures}." for question in questions]
    return canvas.document(end, NAME, words.title, described(words, sentences))


def _ticks(x: Scale) -> list[tuple[float, str]]:
    return [(x.at(tick), f"{tick:g}") for tick in TICKS]


def _draw_grid(canvas: Canvas, x: Scale, middle: float) -> None:
    """Draw the lines of the scale through one row, without those through the texts above its mark."""
    for tick in TICKS:
        start, end = (x.at(tick), middle - MARK_HEIGHT / 2), (x.at(tick), middle + MARK_HEIGHT / 2)
        canvas.line(start, end, REFERENCE if tick == NO_DIFFERENCE else GRID)


def _draw_ends(canvas: Canvas, x: Scale, top: float) -> None:
    """Say what the two halves of the scale mean."""
    baseline = top + QUIET.size
    canvas.text(
        (x.at(NO_DIFFERENCE) - 8, baseline), "← higher when lost", Lettering(QUIET.size, "muted", "end")
    )
    canvas.text((x.at(NO_DIFFERENCE) + 8, baseline), "higher when won →", QUIET)


def _draw_question(canvas: Canvas, question: QuestionRow, auc: Interval, x: Scale, middle: float) -> None:
    low, high = x.at(auc.low), x.at(auc.high)
    canvas.line((low, middle), (high, middle), WHISKER)
    for end in (low, high):
        canvas.line((end, middle - CAP), (end, middle + CAP), WHISKER)
    paint = SOLID if question.matters else HOLLOW
    canvas.circle((x.at(auc.estimate), middle), 5, paint, f"{question.label}: {question.figures}")


def _legend(questions: Sequence[QuestionRow]) -> list[tuple[Sign, str]]:
    entries: list[tuple[Sign, str]] = []
    if any(question.auc and question.matters for question in questions):
        entries.append((point_sign(SOLID), "won and lost sessions differ (95 % interval)"))
    if any(question.auc and not question.matters for question in questions):
        entries.append((point_sign(HOLLOW), "the difference may be chance"))
    return [*entries, (line_sign(REFERENCE), f"no difference ({ratio(NO_DIFFERENCE)})")]
