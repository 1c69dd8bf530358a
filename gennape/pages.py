"""Pages of HTML that need no other file, no network and no script: their frame, style and tables.

All are well-formed as XML too. What is given as HTML must be escaped by who gives it.
"""

from collections.abc import Iterable
from html import escape

INK, FAINT, RULE = "#1d2433", "#5d6879", "#d5dbe4"
STYLE = f"""
:root {{ color-scheme: light; }}
body {{ margin: 0; background: #f3f5f8; color: {INK};
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
main {{ max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }}
section, header {{ background: #fff; border-radius: 12px; padding: 22px 26px; margin: 0 0 18px;
  box-shadow: 0 1px 3px rgb(29 36 51 / .10); }}
h1 {{ font-size: 19px; margin: 0 0 2px; overflow-wrap: anywhere; }}
h2 {{ font-size: 17px; margin: 0 0 4px; }}
p {{ margin: 4px 0 12px; max-width: 80ch; }}
.faint, small {{ color: {FAINT}; }}
.figures {{ display: flex; flex-wrap: wrap; gap: 14px 40px; margin: 18px 0 4px; }}
.figures b {{ display: block; font-size: 26px; line-height: 1.2; font-weight: 650; }}
.figures .score b {{ font-size: 40px; }}
.warning {{ background: #fff4dc; border-left: 5px solid #d99a1c; border-radius: 6px;
  padding: 10px 14px; margin: 16px 0 0; max-width: none; }}
.wide {{ overflow-x: auto; }}
.wide > svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th {{ text-align: left; font-size: 12.5px; font-weight: 600; color: {FAINT}; }}
th, td {{ padding: 7px 10px; border-bottom: 1px solid {RULE}; vertical-align: middle; }}
td svg {{ display: block; }}
tr:last-child td {{ border-bottom: 0; }}
.number {{ text-align: right; white-space: nowrap; }}
code {{ font: 13px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }}
summary {{ cursor: pointer; font-weight: 600; }}
@media (max-width: 640px) {{ main {{ padding: 10px 8px 40px; }}
  section, header {{ padding: 16px 14px; }} }}
@media print {{ body {{ background: #fff; }} }}
"""


def document(title: str, parts: Iterable[str], style: str = "") -> str:
    """A whole page.

    Args:
        title: plain text.
        parts: headers and sections, as HTML; empty ones are left out.
        style: rules beside the common ones.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head>'
        f'<meta charset="utf-8"/><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<style>{STYLE}{style}</style></head>\n<body><main>\n{chr(10).join(filter(None, parts))}\n"
        "</main></body></html>\n"
    )


def figure(value: str, meaning: str, kind: str = "") -> str:
    """A number in large type and what it means, to stand in a `.figures`."""
    return f'<div class="{kind}"><b>{value}</b><small>{meaning}</small></div>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], first: int = 1) -> str:
    """A table as HTML: the first columns hold words, the others numbers."""
    heads = list(heads)
    kinds = [' class="number"' if place >= first else "" for place, _ in enumerate(heads)]
    top = "".join(f"<th{kind}>{head}</th>" for kind, head in zip(kinds, heads, strict=True))
    body = (
        "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True))
        for row in rows
    )
    lines = "".join(f"<tr>{line}</tr>" for line in body)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
