"""A bordered pane that shows its content, or a message in its place."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from workbench.tui.text import Spans, shown
from workbench.tui.widgets.painting import TextPane


class ContentPane(Vertical):
    """Content or a message: one of both is seen and takes the keys, and the focus stays with what is seen."""

    DEFAULT_CSS = """
    ContentPane {
        border: round $frame;
        border-title-color: $foreground;
        border-subtitle-color: $muted;
        &:focus-within { border: heavy $frame-focus; border-title-style: bold; }
        & > Painted, & > Painted:focus { border: none; height: 1fr; }
    }
    """

    @property
    def content_widget(self) -> Widget:
        """What takes the keys unless the message does."""
        raise NotImplementedError

    def beside(self) -> Sequence[Widget]:
        """What is seen together with the content."""
        return ()

    @property
    def target(self) -> Widget:
        """What takes the keys."""
        return self.content_widget if self.content_widget.display else self.query_one(TextPane)

    def entitle(self, title: str, subtitle: str = "") -> None:
        """Set the title in the border, and the one below it."""
        self.border_title = Content(shown(title))
        self.border_subtitle = Content(shown(subtitle))

    def show_message(self, lines: Sequence[Spans]) -> None:
        """Show a message in place of the content."""
        message = self.query_one(TextPane)
        self._swap(message)
        message.show(lines)

    def show_content(self) -> None:
        """Show the content."""
        self._swap(self.content_widget)

    def _swap(self, seen: Widget) -> None:
        message, content = self.query_one(TextPane), self.content_widget
        had_focus = content.has_focus or message.has_focus
        content.display, message.display = seen is content, seen is message
        for part in self.beside():
            part.display = seen is content
        if had_focus and not seen.has_focus:
            seen.focus(scroll_visible=False)
