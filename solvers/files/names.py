"""Names and numbers as a format takes them: each name once, without what readers would take for something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["digits", "lp_name", "mps_name", "unique_names"]

_WORDS = re.compile(
    r"(max|min)(imi[sz]e|imum)?|st\.?|s\.t\.|subject|such|bounds?|free|inf(inity)?|nan|gen(erals?)?|int(egers?)?"
    r"|bin(ar(y|ies))?|semis?|sos[12]?|sets|end",
    re.IGNORECASE,
)
"""What means something at the start of a line of an LP file."""
_BRACKETS = str.maketrans("[]", "()")


def mps_name(name: str) -> str:
    """Without white space, and with nothing in front that begins a comment.

    Examples
    --------
    >>> mps_name("a b"), mps_name("*x"), mps_name("v[0]")
    ('a_b', '_*x', 'v[0]')
    """
    name = re.sub(r"[\s\x00-\x1f\x7f]", "_", name)
    return f"_{name}" if name[:1] in ("*", "$", "'") else name


def lp_name(name: str) -> str:
    """Of letters, digits and the signs that LP files allow, no number and no word of theirs; brackets are round.

    Examples
    --------
    >>> lp_name("v[0]"), lp_name("3x"), lp_name("e1"), lp_name("End"), lp_name("a - b")
    ('v(0)', '_3x', '_e1', '_End', 'a___b')
    """
    name = re.sub(r"[^\w!\"#$%&(),.;?@`'{}~|]", "_", name.translate(_BRACKETS))
    return f"_{name}" if re.match(r"[\d.]|[eE]\d", name) or _WORDS.fullmatch(name) else name


def unique_names(
    names: Sequence[str], made: Callable[[str], str], prefix: str, ends: Sequence[str] = ("",)
) -> list[str]:
    """Names that differ: one that comes again gets a number, one that is missing is ``prefix`` and its place.

    Parameters
    ----------
    names : "" where there is none
    made : of a name one that the format takes
    prefix : of names that are made up
    ends : a name is taken where it differs from all others with each of these behind it

    Examples
    --------
    >>> unique_names(["a", "", "a", "a_2", "b c"], mps_name, "c")
    ['a', 'c2', 'a_3', 'a_2', 'b_c']
    """
    wanted = [made(name) if name else "" for name in names]
    taken = set(wanted)
    seen: set[str] = set()
    numbers: dict[str, int] = {}
    found = []
    for place, name in enumerate(wanted):
        stem = name or f"{prefix}{place + 1}"
        mine, number = stem, numbers.get(stem, 1)
        while mine in seen or (mine != name and mine in taken) or any(end and f"{mine}{end}" in taken for end in ends):
            number += 1
            mine = f"{stem}_{number}"
        numbers[stem] = number
        seen.add(mine)
        found.append(mine)
    return found


def digits(number: float) -> str:
    """A number with as many digits as it takes to read it again.

    Examples
    --------
    >>> digits(3.0), digits(0.1), digits(-1e-7)
    ('3', '0.1', '-1e-07')
    """
    return repr(number).removesuffix(".0")
