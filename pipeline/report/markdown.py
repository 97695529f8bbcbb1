"""Values of any origin in -> Markdown in which they are only text.

Whatever comes from a file, a revision or a person may hold pipes, newlines, backticks, tags or mentions: shown through
`code` or `words` it breaks no table and starts no markup, neither GitHub's nor CommonMark's.
"""

import html
import json
import re
from collections.abc import Sequence

COMMENT_MARKER = "<!-- obesity-levels report -->"
"""Last line of each comment: by it, the next one finds this one and takes its place."""

SHOWN_ROWS = 60
SHOWN_CHARACTERS = 80
SHOWN_TEXT = 600
"""Characters of a value, and of a sentence."""

_PLAIN = re.compile(r"(?:[\w .,:/+%()=>\[\]';-]|<(?=[ =]))*", re.ASCII)
# Emphasis, lists, links, mentions' neighbours and :emoji:, all of which `_PLAIN` would let through.
_MARKUP = re.compile(r"(?<!\w)_|_(?!\w)|^\s*[-+=>]|^\s*\d+[.)]|https?:|www\.|:\w+:|\]\s*[(:\[]|^\s|\s$")


def code(value: object, characters: int = SHOWN_CHARACTERS) -> str:
    r"""The value as a code span on one line, also in a table; a value that is no text is shown as JSON.

    >>> print(code("a|b"), code(None), code("`"))
    `a\|b` `null` `` ` ``
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    if not text.strip():
        text = json.dumps(text, ensure_ascii=False)
    fence = "`" * (max((len(ticks) for ticks in re.findall("`+", text)), default=0) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", r"\|")


def words(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """The text as it is if nothing in it can be markup, else as code."""
    plain = 0 < len(text) <= characters and _PLAIN.fullmatch(text) and not _MARKUP.search(text)
    return text if plain else code(text, characters)


def cell(text: str) -> str:
    r"""Markdown of the project's own, kept in its cell of a table.

    >>> print(cell("a|b"))
    a\|b
    """
    return text.replace("|", r"\|").replace("\n", " ")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, most: int = SHOWN_ROWS) -> str:
    """A table of cells that are Markdown already: all but the first `left` columns on the right, `most` rows shown."""
    rules = ["---"] * left + ["---:"] * (len(headers) - left)
    text = "\n".join(f"| {' | '.join(line)} |" for line in (headers, rules, *rows[:most]))
    return text if len(rows) <= most else f"{text}\n\n(+{len(rows) - most} more rows)"


def folded(title: str, body: str) -> str:
    """Markdown behind a line to click on; the title is text."""
    return f"<details><summary>{html.escape(title, quote=False)}</summary>\n\n{body}\n\n</details>"
