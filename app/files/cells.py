"""Read the cells of files as people write them: "1,200", "$1.2M", "12 %", "yes", "n/a".

Requests in JSON are read strictly; only files are read like this.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import Literal

from app import scoring
from app.files.table import Row

# A cell that a reader could read; None is an empty one.
Cell = str | int | float | bool | None
DecimalSign = Literal[".", ","]
DECIMAL_SIGNS: tuple[DecimalSign, ...] = (".", ",")
OTHER_SIGN: dict[DecimalSign, DecimalSign] = {".": ",", ",": "."}

# The same character for each kind of minus, apostrophe and space.
PLAIN = str.maketrans(
    dict.fromkeys("\u2212\u2012\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u2019\u02bc\u00b4`", "'")
    | dict.fromkeys("\u00a0\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u3000", " ")
)
# How Excel writes a text that it must not change: ="001".
QUOTED = re.compile(r'="(.*)"', re.DOTALL)
EMPTY_WORDS = frozenset({"", "-", "#n/a", "#nv", "null"})
NOT_APPLICABLE_WORDS = frozenset({"n/a", "n.a.", "not_applicable", "not applicable"})
TRUE_WORDS = frozenset({"true", "yes", "y", "x", "1", "ja", "wahr", "oui", "vrai", "✓", "✔"})
FALSE_WORDS = frozenset({"false", "no", "n", "0", "nein", "falsch", "non", "faux"})
# What Excel shows instead of a value that it cannot compute.
FORMULA_ERRORS = frozenset({"#div/0!", "#value!", "#wert!", "#ref!", "#bezug!", "#name?", "#null!", "#num!"})
# A long number as Excel shows it, which has lost its last digits.
SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]{2,3}")
# 31.12.2025, 1.2.2025 and 31.12.2025 14:30.
DOTTED_DAY = re.compile(
    r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})"
    r"(?: (?P<time>[0-9]{2}:[0-9]{2})(?P<seconds>:[0-9]{2})?)?"
)
RATING = re.compile(r"[+-]?[0-9]{1,4}([.,]00?)?")
# From here on, a number in floating point may have lost its last digits.
MAX_EXACT_FLOAT = 10**15
MAX_NUMBER_LENGTH = 100
MAX_CACHED_CELLS = 20_000

# ISO 4217. Other words of three letters can change a number: "30 MIO" is 30 million.
CURRENCY_CODES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN
PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY
TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
""".split()  # fmt: skip  # noqa: SIM905
CURRENCY = rf"(?:[A-Z]{{0,2}}\$|[€£¥₣₤₦₩₪₫₭₮₱₲₴₵₸₹₺₽₿฿]|{'|'.join(CURRENCY_CODES)})"
# By suffix, the power of ten that it multiplies with.
POWERS = {"k": 3, "m": 6, "bn": 9, "b": 9}


def find_decimal_sign(rows: Iterable[Row], number_columns: Sequence[int]) -> DecimalSign | None:
    """Return the decimal sign of most cells in these columns that can be read with one sign only.

    `number_columns` are indexes. A point goes before a comma if both are as frequent. None if every cell can
    be read with both signs: 1,200 can be 1200 or 1.2.
    """
    found: Counter[DecimalSign] = Counter()
    for row in rows:
        cells = row.cells
        for column in number_columns:
            cell = cells[column] if column < len(cells) else None
            if isinstance(cell, str) and (sign := _only_sign(cell)):
                found[sign] += 1
    if not found:
        return None
    return "," if found[","] > found["."] else "."


@lru_cache(MAX_CACHED_CELLS)
def _only_sign(text: str) -> DecimalSign | None:
    """Return the decimal sign with which a text is a number, if the other one makes it none."""
    signs = [sign for sign in DECIMAL_SIGNS if read_number(text, sign) is not None]
    return signs[0] if len(signs) == 1 else None


def plain_text(text: str) -> str:
    """Return a text without leading and trailing blanks, and as 001 if it is ="001"."""
    text = text.strip()
    quoted = QUOTED.fullmatch(text)
    return quoted[1].strip() if quoted else text


def is_empty(cell: Cell) -> bool:
    """Return whether a cell says nothing: blank, `-`, `null` or `#N/A`, in any case."""
    return cell is None or (
        isinstance(cell, str) and plain_text(cell).translate(PLAIN).strip().lower() in EMPTY_WORDS
    )


def is_not_applicable(cell: Cell) -> bool:
    """Return whether a cell is `n/a` or another form of it."""
    return isinstance(cell, str) and plain_text(cell).lower() in NOT_APPLICABLE_WORDS


def read_number(cell: Cell, decimal: DecimalSign = ".") -> int | float | None:
    """Return the number in a cell, exact if it is an integer; None if it is not a number.

    An integer beyond 2⁵³ is not a number, because other programs would round it.
    """
    if not isinstance(cell, str):
        return scoring.read_number(cell)
    text = plain_text(cell).translate(PLAIN).strip()
    # A body with a thousand digits would take long to match, and is no number that a prospect has.
    found = _number_pattern(decimal).fullmatch(text) if len(text) <= MAX_NUMBER_LENGTH else None
    return _number(found, decimal) if found else None


def _number(found: re.Match[str], decimal: DecimalSign) -> int | float | None:
    signs = [sign for sign in (found["sign"], found["inner"]) if sign]
    if len(signs) > 1 or ("(" in signs) != bool(found["close"]):
        return None
    digits = re.sub("[ ']", "", found["digits"]).replace(OTHER_SIGN[decimal], "").replace(decimal, ".")
    power = int(found["exponent"] or 0) + POWERS.get((found["suffix"] or "").lower(), 0)
    # The text has the exact value. A product could be rounded: 4.35 × 100 is 434.99… in floating point.
    text = f"{'' if signs in ([], ['+']) else '-'}{digits}e{power}"
    number = Decimal(text)
    return scoring.read_number(int(number) if number == number.to_integral_value() else float(text))


@cache
def _number_pattern(decimal: DecimalSign) -> re.Pattern[str]:
    group, point = (re.escape(sign) for sign in (OTHER_SIGN[decimal], decimal))
    # Groups of three; in India, groups of two before the last one.
    indian = rf"|[1-9]\d?(?:{group}\d\d)+{group}\d{{3}}"
    whole = rf"[1-9]\d{{0,2}}(?P<group>[ ']|{group})\d{{3}}(?:(?P=group)\d{{3}})*{indian}|\d+"
    return re.compile(
        rf"(?P<sign>[-+(])? ?(?:{CURRENCY} ?)?(?P<inner>[-+(])?(?:{CURRENCY} ?)?"
        rf"(?P<digits>(?:{whole})(?:{point}\d+)?|{point}\d+)"
        rf"(?:[eE](?P<exponent>[+-]?\d{{1,3}})| ?(?P<suffix>[kKmMbB]|bn|Bn))?(?: ?%)?(?: ?{CURRENCY})?"
        r" ?(?P<close>\))?",
        re.ASCII,
    )


def read_boolean(cell: Cell) -> bool | None:
    """Return whether a cell says yes: `yes`, `true`, `1` or `x`. None if it says neither yes nor no."""
    word = read_text(cell).lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else None


def read_rating(cell: Cell) -> int | None:
    """Return the whole number in a cell: 4, also as 04, 4.0 or 4,0. None if it is none."""
    if isinstance(cell, str):
        text = plain_text(cell).translate(PLAIN)
        return int(re.split("[.,]", text)[0]) if RATING.fullmatch(text) else None
    number = scoring.read_number(cell)
    return number if isinstance(number, int) else None


def read_text(cell: Cell) -> str:
    """Return a cell as text: a number without a fraction as 1001, and a boolean as true or false."""
    if isinstance(cell, str):
        return plain_text(cell)
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).lower() if isinstance(cell, bool) else "" if cell is None else str(cell)


def read_dotted_day(text: str) -> str | None:
    """Return a day such as 31.12.2025, perhaps with a time after it, in ISO 8601; None if it is not one.

    With dots, the day comes first in every country. A year needs four digits: 01.02.03 is ambiguous.
    """
    found = DOTTED_DAY.fullmatch(text)
    if found is None:
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"])).isoformat()
    except ValueError:
        return None
    return f"{day}T{found['time']}{found['seconds'] or ':00'}" if found["time"] else day


def read_id(cell: Cell) -> str | None:
    """Return the id in a cell; None if a spreadsheet has shortened it, so that digits are lost: 1.23E+15."""
    if isinstance(cell, float) and abs(cell) >= MAX_EXACT_FLOAT:
        return None
    text = read_text(cell)
    return None if SHORTENED.fullmatch(text) else text


def is_formula_error(cell: Cell) -> bool:
    """Return whether a cell has the error of a formula, such as #REF!."""
    return isinstance(cell, str) and cell.lower() in FORMULA_ERRORS
