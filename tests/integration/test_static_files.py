"""Static files in production: hashed names everywhere, and no failure without a build."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

from etlportal.serving import StaticStorage

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of `manage.py collectstatic`, which fails for a reference to a missing file."""
    folder = tmp_path_factory.mktemp("static")
    storage = StaticStorage(location=str(folder), base_url="/static/")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staticfiles_storage, "_wrapped", storage)
        call_command("collectstatic", interactive=False, verbosity=0)
    return folder


def hashed(folder: Path, name: str) -> Path:
    return folder / json.loads((folder / "staticfiles.json").read_text())["paths"][name]


def test_modules_import_each_other_by_hashed_names(collected: Path) -> None:
    imports = {
        path.name: re.findall(r'from "(\./[^"]+)"', hashed(collected, f"js/{path.name}").read_text())
        for path in (ROOT / "static" / "js").glob("*.js")
    }
    assert len(imports["shell.js"]) >= 5
    for name, targets in imports.items():
        for target in targets:
            assert re.fullmatch(r"\./\w+\.[0-9a-f]{12}\.js", target), (name, target)
            assert (collected / "js" / target).is_file()


def test_fonts_of_a_style_sheet_are_hashed(collected: Path) -> None:
    for sheet in ("css/base.css", "css/admin.css"):
        urls = re.findall(r'url\("([^"]+)"\)', hashed(collected, sheet).read_text())
        assert urls
        for url in urls:
            assert (hashed(collected, sheet).parent / url).resolve().is_file(), url


def test_what_the_manifest_does_not_know_keeps_its_name(collected: Path, settings: object) -> None:
    storage = StaticStorage(location=str(collected), base_url="/static/")
    assert re.fullmatch(r"/static/css/tokens\.[0-9a-f]{12}\.css", storage.url("css/tokens.css"))
    assert storage.url("css/later.css") == "/static/css/later.css"
    before = StaticStorage(location=str(collected / "nothing"), base_url="/static/")
    assert before.url("css/tokens.css") == "/static/css/tokens.css"


@pytest.mark.parametrize("path", sorted((ROOT / "static" / "vendor").rglob("*.js")), ids=lambda path: path.name)
def test_vendored_scripts_refer_to_nothing_that_is_missing(path: Path) -> None:
    assert "sourceMappingURL" not in path.read_text(encoding="utf-8")


def test_every_vendored_library_has_its_licence() -> None:
    for folder in (ROOT / "static" / "vendor").iterdir():
        assert list(folder.glob("LICENSE*")), folder.name
