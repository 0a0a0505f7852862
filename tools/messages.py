"""Translations without GNU gettext: extract, update, compile, check.

`python -m tools.messages` (`make messages`) updates locale/pt_BR from code and templates and compiles it; with
`--check` it only reports problems. Babel extracts from Python, after Django's `templatize` from templates.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polib
from babel.messages.extract import extract_python
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[1]
CATALOG = ROOT / "locale" / "pt_BR" / "LC_MESSAGES" / "django.po"
PYTHON = ("etlportal", "monitoring")
TEMPLATES = ("templates",)

KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
HEADER = {
    "Project-Id-Version": "etlportal",
    "Language": "pt_BR",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=2; plural=(n > 1);",
}
PLACEHOLDER = re.compile(r"%\(\w+\)[#0\- +]?\d*(?:\.\d+)?[diouxXeEfFgGcrsa]|%%|%[sdifr]|\{\w*[^{}]*\}")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")

Key = tuple[str, str, str]
"""(context, msgid, msgid_plural); empty where there is none."""


def extract(root: Path = ROOT) -> dict[Key, set[str]]:
    """Return every message of code and templates with the files that use it."""
    found: dict[Key, set[str]] = {}
    for path in _files(root, PYTHON, "*.py"):
        for key in _messages(path.read_bytes()):
            found.setdefault(key, set()).add(path.relative_to(root).as_posix())
    for path in _files(root, TEMPLATES, "*.*"):
        code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
        # What is not a message became X in its place; the indentation means nothing to Python.
        flat = "\n".join(line.strip() for line in code.splitlines())
        for key in _messages(flat.encode()):
            found.setdefault(key, set()).add(path.relative_to(root).as_posix())
    return found


def _files(root: Path, folders: tuple[str, ...], pattern: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in (root / folder).rglob(pattern) if "migrations" not in path.parts)


def _messages(code: bytes) -> Iterator[Key]:
    for _line, function, parts, _comments in extract_python(io.BytesIO(code), KEYWORDS, (), {"encoding": "utf-8"}):
        texts = list(parts) if isinstance(parts, tuple) else [parts]
        context = str(texts.pop(0) or "") if function.startswith(("pgettext", "npgettext")) else ""
        if not texts or not isinstance(texts[0], str) or not texts[0]:
            continue
        plural = texts[1] if "ngettext" in function or "npgettext" in function else ""
        yield context, texts[0], str(plural or "")


def update(catalog: polib.POFile, messages: dict[Key, set[str]]) -> polib.POFile:
    """Return a catalog of exactly `messages`, sorted, with the translations that `catalog` has."""
    known = {_key(entry): entry for entry in catalog if not entry.obsolete}
    fresh = polib.POFile(wrapwidth=110)
    fresh.metadata = dict(HEADER)
    for key, files in sorted(messages.items(), key=lambda item: (item[0][1], item[0])):
        context, msgid, plural = key
        entry = known.get(key) or polib.POEntry(
            msgctxt=context or None,
            msgid=msgid,
            msgid_plural=plural,
            msgstr_plural={0: "", 1: ""} if plural else {},
        )
        entry.occurrences = [(name, "") for name in sorted(files)]
        fresh.append(entry)
    return fresh


def problems(catalog: polib.POFile, messages: dict[Key, set[str]]) -> list[str]:
    """Return what is missing, stale, fuzzy, empty or has other placeholders than its original."""
    found = []
    known = {_key(entry) for entry in catalog if not entry.obsolete}
    found += [f"not in the catalog: {key[1]!r} ({min(messages[key])})" for key in sorted(messages.keys() - known)]
    found += [f"no longer used: {key[1]!r}" for key in sorted(known - messages.keys())]
    for entry in catalog:
        if entry.obsolete:
            found.append(f"obsolete: {entry.msgid!r}")
            continue
        if entry.fuzzy:
            found.append(f"fuzzy: {entry.msgid!r}")
        found += _translation_problems(entry)
    return found


def _translation_problems(entry: polib.POEntry) -> Iterator[str]:
    pairs = [(entry.msgid, entry.msgstr)]
    if entry.msgid_plural:
        # The singular may leave the number out, in either language.
        forms = entry.msgstr_plural
        pairs = [(entry.msgid_plural, forms.get(1, ""))]
        if not forms.get(0):
            yield f"not translated (singular): {entry.msgid!r}"
    for original, translated in pairs:
        if not translated.strip():
            yield f"not translated: {original!r}"
            continue
        for what, pattern in (("placeholders", PLACEHOLDER), ("tags", TAG)):
            if Counter(pattern.findall(original)) != Counter(pattern.findall(translated)):
                yield f"other {what}: {original!r} -> {translated!r}"
        if _edges(original) != _edges(translated):
            yield f"blanks at the edges differ: {original!r} -> {translated!r}"


def _edges(text: str) -> tuple[bool, bool]:
    return text[:1].isspace(), text[-1:].isspace()


def _key(entry: polib.POEntry) -> Key:
    return entry.msgctxt or "", entry.msgid, entry.msgid_plural or ""


def compiled(catalog: polib.POFile) -> bytes:
    """Return the .mo file's bytes."""
    return catalog.to_binary()


def load() -> polib.POFile:
    """Return the committed catalog, or an empty one."""
    if not CATALOG.exists():
        return polib.POFile()
    return polib.pofile(str(CATALOG), wrapwidth=110)


def all_problems() -> list[str]:
    """Return every problem of the committed translations, the compiled file included."""
    catalog = load()
    found = problems(catalog, extract())
    binary = CATALOG.with_suffix(".mo")
    if not binary.exists() or binary.read_bytes() != compiled(catalog):
        found.append("django.mo is not what django.po compiles to: run make messages")
    return found


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        found = all_problems()
    else:
        catalog = update(load(), extract())
        CATALOG.parent.mkdir(parents=True, exist_ok=True)
        catalog.save(str(CATALOG))
        CATALOG.with_suffix(".mo").write_bytes(compiled(catalog))
        found = all_problems()
    sys.stdout.write("".join(f"{line}\n" for line in found) + f"{len(found)} problems\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
