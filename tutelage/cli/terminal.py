"""What commands print: a table for people at a terminal, tab-separated lines for programs."""

import re
import sys
from collections.abc import Iterable, Sequence

#: Characters that move a terminal's cursor, colour what follows or turn its direction: values are others' texts.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows as a table when standard output is a terminal, else as lines of tab-separated values with a header."""
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join(_flat(value) for value in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for row in rows:
        # As Text, so that square brackets in a value are not read as markup.
        table.add_row(*(Text(_flat(value)) for value in row))
    Console().print(table)


def warn(sentence: str) -> None:
    """Tell something on standard error that does not stop the command."""
    print(sentence, file=sys.stderr)


def _flat(value: object) -> str:
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), " ".join(shown.split()))
