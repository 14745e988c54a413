"""Themes: dark, light, and one for ``NO_COLOR``.

Looks are theme variables, so that widgets name no colour. ``mono`` uses the terminal's own foreground and
background with bold, reverse and underline only: Textual's filter for ``NO_COLOR`` would turn themes of terminal
colours into black on black.
"""

from __future__ import annotations

from textual.theme import Theme

STAND_INS = {
    "muted": "foreground",
    "severity-critical": "error",
    "severity-high": "warning",
    "severity-medium": "secondary",
    "severity-low": "foreground",
    "path-line": "primary",
    "proof": "accent",
    "added": "success",
    "removed": "error",
    "frame": "secondary",
    "frame-focus": "primary",
}
"""Our variables, and the colour that stands in for each in a theme that is not ours."""


def variables_of(theme: Theme) -> dict[str, str]:
    """Our variables, taken from the colours of any theme."""
    colours = theme.to_color_system().generate()
    return {name: colours[colour] for name, colour in STAND_INS.items()}


DARK = Theme(
    name="dark",
    primary="#6fb3ff",
    secondary="#e3cf6b",
    accent="#ffd166",
    warning="#ffb454",
    error="#ff7b7b",
    success="#7fd88f",
    foreground="#dce1e8",
    background="#11151c",
    surface="#161b24",
    panel="#202734",
    dark=True,
    variables={
        "muted": "#8b95a5",
        "severity-critical": "#ff8f8f",
        "severity-high": "#ffb454",
        "severity-medium": "#d9c66a",
        "severity-low": "#9fb0c3",
        "path-line": "#6fb3ff",
        "proof": "#ffd166",
        "added": "#7fd88f",
        "removed": "#ff8f8f",
        "frame": "#465063",
        "frame-focus": "#6fb3ff",
    },
)

LIGHT = Theme(
    name="light",
    primary="#0b57a8",
    secondary="#6b5600",
    accent="#8a4b00",
    warning="#9a4a00",
    error="#b3141f",
    success="#17692b",
    foreground="#1b2028",
    background="#fbfbf9",
    surface="#f2f2ee",
    panel="#e4e5e0",
    dark=False,
    variables={
        "muted": "#5b6470",
        "severity-critical": "#a10d18",
        "severity-high": "#9a4a00",
        "severity-medium": "#6b5600",
        "severity-low": "#4a5664",
        "path-line": "#0b57a8",
        "proof": "#8a4b00",
        "added": "#17692b",
        "removed": "#a10d18",
        "frame": "#a3a8ad",
        "frame-focus": "#0b57a8",
    },
)

_TERMINAL = "ansi_default"

MONO = Theme(
    name="mono",
    ansi=True,
    primary=_TERMINAL,
    secondary=_TERMINAL,
    accent=_TERMINAL,
    warning=_TERMINAL,
    error=_TERMINAL,
    success=_TERMINAL,
    foreground=_TERMINAL,
    background=_TERMINAL,
    surface=_TERMINAL,
    panel=_TERMINAL,
    boost=_TERMINAL,
    dark=True,
    variables={
        **dict.fromkeys(STAND_INS, _TERMINAL),
        "ansi-background": _TERMINAL,
        "ansi-foreground": _TERMINAL,
        "border": _TERMINAL,
        "border-blurred": _TERMINAL,
        "block-cursor-foreground": _TERMINAL,
        "block-cursor-background": _TERMINAL,
        "block-cursor-text-style": "reverse",
        "input-cursor-background": _TERMINAL,
        "input-cursor-foreground": _TERMINAL,
        "input-cursor-text-style": "reverse",
        "input-selection-background": _TERMINAL,
        "scrollbar": _TERMINAL,
        "scrollbar-hover": _TERMINAL,
        "scrollbar-active": _TERMINAL,
        "scrollbar-background": _TERMINAL,
        "scrollbar-background-hover": _TERMINAL,
        "scrollbar-background-active": _TERMINAL,
        "scrollbar-corner-color": _TERMINAL,
    },
)

THEMES = (DARK, LIGHT, MONO)
