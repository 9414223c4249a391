"""Tables of texts for people; the first line is the head."""

from __future__ import annotations

import html


def as_text(lines: list[list[str]]) -> str:
    """Returns a table in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def as_html(lines: list[list[str]]) -> str:
    """Returns a table for a notebook."""

    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return f"<table>{row(lines[0], 'th')}{''.join(row(line, 'td') for line in lines[1:])}</table>"
