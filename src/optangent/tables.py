"""Tables with titles as text, as CSV, and as one page of HTML that needs nothing else."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

__all__ = ["FORMATS", "Table"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #1a1a1a; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 1.8em 0 .5em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .9em .25em 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
th { position: sticky; top: 0; background: #fff; border-bottom: 2px solid #888; }
td.number, th.number { text-align: right; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e6e6e6; } th { background: #161616; } th, td { border-color: #444; }
}
"""


@final
@dataclass(frozen=True)
class Table:
    """Rows under a title.

    Attributes
    ----------
    title : str
    columns : their headings; none of a table of words and what they stand for
    rows : text, numbers, and None for what there is not
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    @staticmethod
    def of(frame: Any, title: str) -> Table:
        """A pandas ``DataFrame`` without its labels."""
        rows = [tuple(_plain(value) for value in row) for row in frame.itertuples(index=False, name=None)]
        return Table(title, tuple(map(str, frame.columns)), rows)


def _plain(value: Any) -> Any:
    """Python's own number, and None for what pandas holds in its place."""
    value = value.item() if hasattr(value, "item") else value
    return None if value is None or value != value else value


def _text(value: Any) -> str:
    """A value as people read it: ten digits."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _numeric(table: Table) -> list[bool]:
    """Which columns stand at the right: those with a number and no text."""
    width = len(table.columns) or max((len(row) for row in table.rows), default=0)
    found = []
    for k in range(width):
        values = [row[k] for row in table.rows if row[k] is not None]
        found.append(bool(values) and bool(table.columns) and all(map(_is_number, values)))
    return found


def as_text(title: str, tables: Sequence[Table]) -> str:
    """The tables one below the other, in columns.

    Examples
    --------
    >>> print(as_text("a.lp", [Table("Variables", ("name", "value"), [("x", 1.5), ("other", None)])]), end="")
    a.lp
    <BLANKLINE>
    Variables
      name   value
      x        1.5
      other
    """
    parts = [f"{title}\n"]
    for table in tables:
        numeric = _numeric(table)
        cells = [[_text(value) for value in row] for row in table.rows]
        lines = [list(table.columns), *cells] if table.columns else cells
        widths = [max(len(line[k]) for line in lines) for k in range(len(numeric))]
        parts.append(f"\n{table.title}\n")
        for line in lines:
            shown = [
                word.rjust(width) if right else word.ljust(width)
                for word, width, right in zip(line, widths, numeric, strict=True)
            ]
            parts.append(f"  {'  '.join(shown)}".rstrip() + "\n")
        if not cells:
            parts.append("  none\n")
    return "".join(parts)


def as_csv(title: str, tables: Sequence[Table]) -> str:
    """The tables one below the other, each with its title in a row and an empty row behind; numbers with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for table in tables:
        writer.writerow([table.title])
        if table.columns:
            writer.writerow(table.columns)
        writer.writerows(table.rows)
        writer.writerow([])
    return text.getvalue()


def as_html(title: str, tables: Sequence[Table]) -> str:
    """A page with the tables, its style in it."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
    ]
    for table in tables:
        numeric = _numeric(table)
        parts.append(f"<h2>{html.escape(table.title)}</h2>\n<table>\n")
        if table.columns:
            parts.append(f"<thead><tr>{_cells('th', table.columns, numeric)}</tr></thead>\n")
        parts.append("<tbody>\n")
        parts += [f"<tr>{_cells('td', row, numeric)}</tr>\n" for row in table.rows]
        parts.append("</tbody>\n</table>\n" if table.rows else "</tbody>\n</table>\n<p>none</p>\n")
    return "".join([*parts, "</body>\n</html>\n"])


def _cells(tag: str, values: Sequence[Any], numeric: list[bool]) -> str:
    marks = [' class="number"' if right else "" for right in numeric]
    return "".join(f"<{tag}{m}>{html.escape(_text(v))}</{tag}>" for v, m in zip(values, marks, strict=True))


FORMATS: dict[str, Callable[[str, Sequence[Table]], str]] = {"text": as_text, "csv": as_csv, "html": as_html}
"""Each makes text of a title and tables."""
