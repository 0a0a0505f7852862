"""English and Brazilian Portuguese, complete: everything marked is translated, everything visible is marked."""

from __future__ import annotations

import re
from pathlib import Path

import polib
import pytest

from monitoring.web.context import words
from tests.support.visible import unmarked
from tools import messages

TEMPLATES = sorted((messages.ROOT / "templates").rglob("*.html"))


def test_portuguese_is_complete() -> None:
    assert messages.all_problems() == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(messages.ROOT / "templates").as_posix())
def test_every_visible_word_of_a_template_is_translatable(path: Path) -> None:
    assert unmarked(path.read_text(encoding="utf-8")) == []


def test_the_scripts_say_only_what_the_server_gives_them() -> None:
    """Words in static/js come from the page, in the reader's language; each key is there, none is left over."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (messages.ROOT / "static" / "js").glob("*.js"))
    said = set(re.findall(r"""\bsay\(\s*["'](\w+)["']""", code))
    assert said <= words().keys()


CHECKED = {("", "%(count)s rows", ""): {"a.html"}, ("", "one row", "%(count)s rows"): {"a.html"}}


def _catalog(**plural: str) -> polib.POFile:
    catalog = polib.POFile()
    catalog.append(polib.POEntry(msgid="%(count)s rows", msgstr="%(count)s linhas"))
    forms = {0: plural.get("one", "uma linha"), 1: plural.get("many", "%(count)s linhas")}
    catalog.append(polib.POEntry(msgid="one row", msgid_plural="%(count)s rows", msgstr_plural=forms))
    return catalog


def test_a_complete_catalog_has_no_problem() -> None:
    assert messages.problems(_catalog(), CHECKED) == []


def test_a_new_message_is_missed() -> None:
    found = messages.problems(_catalog(), {**CHECKED, ("", "new", ""): {"b.html"}})
    assert found == ["not in the catalog: 'new' (b.html)"]


def test_a_message_that_is_gone_is_told() -> None:
    assert messages.problems(_catalog(), {("", "%(count)s rows", ""): {"a"}}) == ["no longer used: 'one row'"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not translated"),
        ("linhas", "other placeholders"),
        ("%(contagem)s linhas", "other placeholders"),
        ("%(count)s <b>linhas</b>", "other tags"),
        (" %(count)s linhas", "blanks"),
    ],
)
def test_a_wrong_translation_is_told(text: str, complaint: str) -> None:
    catalog = _catalog()
    catalog[0].msgstr = text
    assert [line for line in messages.problems(catalog, CHECKED) if line.startswith(complaint)]


def test_a_fuzzy_one_is_told() -> None:
    catalog = _catalog()
    catalog[0].flags.append("fuzzy")
    assert messages.problems(catalog, CHECKED) == ["fuzzy: '%(count)s rows'"]


@pytest.mark.parametrize("form", ["one", "many"])
def test_each_plural_form_is_needed(form: str) -> None:
    assert messages.problems(_catalog(**{form: ""}), CHECKED)


def test_messages_of_code_and_templates_are_found(tmp_path: Path) -> None:
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "monitoring" / "a.py").write_text(
        "from django.utils.translation import gettext as _, ngettext, pgettext\n"
        'x = _("plain")\n'
        'y = ngettext("%d row", "%d rows", 2)\n'
        'z = pgettext("verb", "open")\n'
    )
    (tmp_path / "templates" / "a.html").write_text(
        "{% load i18n %}<ul>\n    <li>{% translate 'in a template' %}</li>\n"
        "  {% blocktranslate trimmed count n=rows %}\n one %(x)s\n {% plural %}\n {{ n }} of them\n"
        "  {% endblocktranslate %}\n{{ value|default:_('filtered') }}</ul>"
    )
    assert set(messages.extract(tmp_path)) == {
        ("", "plain", ""),
        ("", "%d row", "%d rows"),
        ("verb", "open", ""),
        ("", "in a template", ""),
        ("", "one %%(x)s", "%(n)s of them"),
        ("", "filtered", ""),
    }


def test_updating_keeps_translations_and_drops_the_unused() -> None:
    catalog = _catalog()
    updated = messages.update(catalog, {("", "%(count)s rows", ""): {"a"}, ("", "new", ""): {"b"}})
    assert [(entry.msgid, entry.msgstr) for entry in updated] == [
        ("%(count)s rows", "%(count)s linhas"),
        ("new", ""),
    ]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("<p>{% translate 'Fine' %} {{ name }}: 3</p>", []),
        ("<p>Not marked</p>", ["Not marked"]),
        ('<a title="Not marked" href="x">{{ y }}</a>', ["Not marked"]),
        ('<a title="{% translate "Marked" %}">{{ y }}</a>', []),
        ("{% blocktranslate %}All of <b>this</b>{% endblocktranslate %}", []),
        ("{% comment %}Not seen{% endcomment %}{# nor this #}<!-- nor that -->", []),
        ("<code>SELECT name</code><script src='x'></script>", []),
    ],
)
def test_unmarked_words_are_seen(template: str, words: list[str]) -> None:
    assert unmarked(template) == words


def test_translating_functions_keep_the_names_that_the_extraction_looks_for() -> None:
    """A text marked by a function of another name would silently stay English."""
    alias = re.compile(r"import [^\n]*gettext\w* as (?!_\b)\w+")
    found = [str(path) for path in Path("monitoring").rglob("*.py") if alias.search(path.read_text(encoding="utf-8"))]
    assert found == []
