"""The colours: contrast in both themes, statuses that colour-blind eyes tell apart, no colour elsewhere."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest

TONES = (
    *("ok", "running", "failed", "partial", "structure", "never", "inactive", "unknown", "warning", "critical", "info"),
)
"""Every tone that static/css/tokens.css defines, in both themes."""

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
TEXT = 4.5  # WCAG 1.4.3
GRAPHIC = 3.0  # WCAG 1.4.11
APART = 7.0
"""Least distance between two statuses, in Oklab times 100. A difference of 2 is just visible."""

# Told apart by their own pattern (unknown is hatched) or never shown as a status (info, and the two
# severities, which are the colours of partial and failed).
SOLID = sorted(set(TONES) - {"unknown", "info", "warning", "critical"})

Linear = tuple[float, float, float]
MACHADO = {  # Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def _tokens() -> dict[str, dict[str, str]]:
    """Return the tokens of the light theme, of a dark system and of the dark preference."""
    text = re.sub(r"/\*.*?\*/", "", (CSS / "tokens.css").read_text(), flags=re.DOTALL)
    blocks = {
        selector: dict(re.findall(r"--([\w-]+):\s*([^;]+);", body))
        for selector, body in re.findall(r"(:root[^{]*?)\s*\{([^{}]*)\}", text)
    }
    return {
        "light": blocks[":root"],
        "dark system": blocks[':root:not([data-theme="light"])'],
        "dark": blocks[':root[data-theme="dark"]'],
    }


TOKENS = _tokens()
THEMES = ("light", "dark")
both = pytest.mark.parametrize("theme", THEMES)


def linear(colour: str) -> Linear:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    one, two, three = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))
    return one, two, three


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast ratio."""
    dark, light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(one), linear(other)))
    return (light + 0.05) / (dark + 0.05)


def oklab(colour: str, eyes: str) -> Linear:
    """Return the colour as those eyes see it, in a space where distances are differences (Ottosson 2020)."""
    rgb = linear(colour)
    red, green, blue = (min(1.0, max(0.0, sum(m * c for m, c in zip(row, rgb, strict=True)))) for row in MACHADO[eyes])
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def test_the_sums_are_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert oklab("#ffffff", "normal") == pytest.approx((1, 0, 0), abs=1e-3)
    red_and_green = (oklab("#c00000", "deuteranopia"), oklab("#506000", "deuteranopia"))
    assert math.dist(*red_and_green) < math.dist(oklab("#c00000", "normal"), oklab("#506000", "normal")) / 2


def test_dark_is_the_same_whether_followed_or_chosen() -> None:
    assert TOKENS["dark system"] == TOKENS["dark"]


def test_both_themes_define_the_same_tokens() -> None:
    assert TOKENS["light"].keys() == TOKENS["dark"].keys()


@both
@pytest.mark.parametrize("tone", TONES)
def test_a_tone_can_be_read(theme: str, tone: str) -> None:
    tokens = TOKENS[theme]
    for ground in ("surface", "paper", "raised", f"{tone}-soft"):
        assert contrast(tokens[tone], tokens[ground]) >= TEXT, (tone, ground)


@both
@pytest.mark.parametrize(
    ("ink", "grounds"),
    [
        ("ink", ("surface", "paper", "raised", "sunken", *(f"{tone}-soft" for tone in TONES))),
        ("muted", ("surface", "paper", "raised", "sunken")),
        ("accent", ("surface", "paper", "raised", "sunken", "accent-soft")),
        ("accent-ink", ("accent",)),
        ("rail-ink", ("rail", "rail-active")),
        ("rail-strong", ("rail", "rail-active")),
    ],
)
def test_text_can_be_read(theme: str, ink: str, grounds: tuple[str, ...]) -> None:
    tokens = TOKENS[theme]
    for ground in grounds:
        assert contrast(tokens[ink], tokens[ground]) >= TEXT, (ink, ground)


@both
def test_edges_focus_and_series_can_be_seen(theme: str) -> None:
    tokens = TOKENS[theme]
    for name in ("edge", "focus", *(f"c{number}" for number in range(1, 10))):
        assert contrast(tokens[name], tokens["surface"]) >= GRAPHIC, name
    assert contrast(tokens["rail-mark"], tokens["rail"]) >= GRAPHIC


@both
@pytest.mark.parametrize("eyes", MACHADO)
def test_statuses_stay_apart(theme: str, eyes: str) -> None:
    tokens = TOKENS[theme]
    near = {
        (one, other): round(distance, 1)
        for one, other in itertools.combinations(SOLID, 2)
        if (distance := 100 * math.dist(oklab(tokens[one], eyes), oklab(tokens[other], eyes))) < APART
    }
    assert not near


def test_every_tone_has_its_class() -> None:
    text = (CSS / "components.css").read_text()
    for tone in TONES:
        assert f".tone-{tone} {{ --tone: var(--{tone}); --tone-soft: var(--{tone}-soft); }}" in text


STYLES = sorted(path for path in CSS.glob("*.css") if path.name != "tokens.css")


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_every_variable_is_defined(path: Path) -> None:
    known = set(TOKENS["light"])
    for sheet in STYLES:
        known |= set(re.findall(r"--([\w-]+):", sheet.read_text()))
    assert set(re.findall(r"var\(--([\w-]+)", path.read_text())) <= known


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_no_colour_outside_the_tokens(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/|url\([^)]*\)", "", path.read_text(), flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*[;}])|\brgba?\(|\bhsla?\(", text) == []
