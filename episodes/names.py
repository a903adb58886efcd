"""Names that come with data, of classes and of files, made safe for file systems, terminals and pages."""

import hashlib
import unicodedata

LONGEST = 80
"""Characters of a name that a table or a picture shows."""
LONGEST_FILE = 120
"""Bytes of a part of a file name, whatever the name was; file systems allow 255 in all."""
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names that Windows keeps for devices, with any ending."""


def for_terminal(text: str) -> str:
    """Text in which nothing but letters can act: what controls a terminal or turns the reading direction is spelled.

    Spelled are control characters (so line breaks too), format characters such as bidirectional overrides, line
    separators, surrogates and what Unicode does not assign. Square brackets stay: who prints with rich says
    `markup=False`.

    >>> print(for_terminal("cat \\x1b[31mred\\n \\u202egod"))
    cat \\x1b[31mred\\n \\u202egod
    """
    return text if text.isprintable() else "".join(map(_spelled, text))


def for_display(name: str, longest: int = LONGEST) -> str:
    """A name as a table, a picture or a message shows it: as `for_terminal`, quoted if empty, and cut if very long.

    >>> for_display("dog"), for_display(""), len(for_display("x" * 300))
    ('dog', "''", 80)
    """
    safe = for_terminal(name) if name.strip() else repr(name)
    return safe if len(safe) <= longest else f"{safe[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def alike(name: str) -> str:
    """The same for names that are one file on some system: upper and lower case, composed and decomposed letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def for_path(name: str) -> str:
    """A name as a part of a file name, different for different names: no folders, no hidden or reserved ones.

    A space becomes `_` and an underscore two of them. If more has to change, a part of the name's hash follows.

    >>> for_path("dining table"), for_path("dining_table")
    ('dining_table', 'dining__table')
    >>> for_path("../x")
    '_._x-d6b96a97'
    """
    safe = "".join(map(_in_file, unicodedata.normalize("NFC", name)))
    cut = safe.encode()[:LONGEST_FILE].decode(errors="ignore")
    if cut.startswith(".") or not cut:
        cut = f"_{cut[1:]}"
    if cut.endswith("."):
        cut = f"{cut[:-1]}_"
    if cut.partition(".")[0].lower() in RESERVED:
        cut = f"_{cut}"
    if from_path(cut) == name:
        return cut
    return f"{cut}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


def from_path(part: str) -> str:
    """The name that `for_path` was given, if it had nothing to hide.

    >>> from_path("dining_table"), from_path("dining__table")
    ('dining table', 'dining_table')
    """
    return part.replace("__", "\0").replace("_", " ").replace("\0", "_")


def _in_file(character: str) -> str:
    if character == "_":
        return "__"
    kept = character in "-.+'()" or unicodedata.category(character)[0] in "LMN"
    return character if kept else "_"


def _spelled(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
