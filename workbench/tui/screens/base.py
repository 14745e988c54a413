"""What all screens share: the frame, the two inputs, the panes, and the order in which ``esc`` leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from workbench.tui.actions import CHANGING, LOADED, bindings_of, hints
from workbench.tui.widgets.frame import Banner, HeaderState, HintBar, StatusHeader, TooSmall
from workbench.tui.widgets.inputs import Completion, Prompt
from workbench.tui.widgets.painting import Painted
from workbench.tui.widgets.tab_strip import TabStrip

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.session import Session


@dataclass(frozen=True, slots=True)
class Pane:
    """A part of a screen that can have the keys."""

    id: str
    """Also the class ``-pane-<id>`` of the screen while it is the current one."""
    title: str
    selector: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a screen is to go to; each screen knows some of these."""

    filter: str = ""
    """What to narrow a list to."""
    path: str = ""
    """The id of a path."""
    fix: str = ""
    """The id of a fix."""
    kind: str = ""
    """A kind of objects."""
    object: str = ""
    """The id of an object."""
    source: str = ""
    """Of the network: the id of a row."""
    target: str = ""
    """And of a column."""


def places_of(widget: Widget | None) -> list[str]:
    """The places of the registry whose actions reach from a widget, innermost first."""
    if isinstance(widget, Prompt):
        return ["input"]
    kinds = [kind for kind in type(widget).__mro__ if issubclass(kind, Painted)]
    return list(dict.fromkeys(kind.PLACE for kind in kinds if kind.PLACE))


class WorkbenchScreen(Screen[None]):
    """A screen with header, panes, inputs and hints."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    """The first pane has the keys, whatever stands first on the screen."""
    PLACE: ClassVar[str] = ""
    """The id of the screen in the registry of actions."""
    PANES: ClassVar[tuple[Pane, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self) -> None:
        super().__init__()
        self.pane = self.PANES[0] if self.PANES else None
        self.filter_text = ""

    @property
    def workbench(self) -> WorkbenchApp:
        """The app."""
        return self.app  # type: ignore[return-value]

    @property
    def session(self) -> Session | None:
        """What is loaded."""
        return self.workbench.session

    # -- frame

    def compose(self) -> ComposeResult:
        """The frame around what the screen gives."""
        yield StatusHeader(id="status")
        yield Banner(id="banner")
        if len(self.PANES) > 1:
            yield TabStrip([pane.title for pane in self.PANES], id="pane-tabs")
        with Container(id="body"):
            yield from self.body()
        yield TooSmall()
        yield Prompt("/", id="filter", placeholder="text, !text, -f fuzzy, is:critical, kind:Secret, -l label=value")
        yield Prompt(
            ":",
            id="command-bar",
            placeholder="path SEL, pods, ns NAME, open SOURCE, theme NAME, q",
            suggester=Completion(self._candidates),
        )
        yield HintBar(id="hints")

    def body(self) -> Iterable[Widget]:
        """What is between header and hints."""
        raise NotImplementedError

    def _candidates(self, text: str) -> Iterable[str]:
        return self.workbench.candidates(text)

    def on_mount(self) -> None:
        """Begin in the first pane."""
        if self.pane is not None:
            self.go_to_pane(self.pane)
        self.update_frame()
        self.session_changed()

    def on_screen_resume(self) -> None:
        """What is loaded may have changed meanwhile."""
        self.update_frame()
        self.session_changed()
        self.workbench.come_to_what_is_due()

    def session_changed(self) -> None:
        """The app loaded something, or the basket changed."""

    def show_what_was_asked(self, asked: Asked) -> None:
        """Narrow to a filter, or go to a path, a fix or an object, where the screen has such things."""

    def update_frame(self) -> None:
        """Header and hints anew."""
        if not self.is_mounted:
            return
        self.query_one(StatusHeader).state = self.header_state()
        self.query_one(Banner).text = self.workbench.banner
        self.update_hints()

    def header_state(self) -> HeaderState:
        """What the header says."""
        return self.workbench.header_state(self.PLACE)

    def update_hints(self) -> None:
        """The hints of where the focus is."""
        focused = self.focused
        bar = self.query_one(HintBar)
        if isinstance(focused, Prompt):
            bar.lead, bar.actions = "enter takes it  tab completes  esc closes", ()
            return
        places = [*places_of(focused), self.PLACE, "app"]
        if self.session is None:
            places = [place for place in places if place not in LOADED]
        bar.lead = focused.lead if isinstance(focused, Painted) else ""
        forbidden = CHANGING if self.header_state().read_only else ()
        bar.actions = tuple(action for action in hints(places) if action.id not in forbidden)

    # -- panes

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The keys went somewhere else."""
        for pane in self.PANES:
            widget = self.query_one(pane.selector)
            if widget is event.widget or widget in event.widget.ancestors:
                self._mark_pane(pane)
        self.update_hints()
        self.workbench.come_to_what_is_due()

    def _mark_pane(self, pane: Pane) -> None:
        self.pane = pane
        # All classes at once: each change looks at the styles of everything on the screen again.
        self.remove_class(*(f"-pane-{one.id}" for one in self.PANES if one is not pane), update=False)
        self.add_class(f"-pane-{pane.id}")
        if len(self.PANES) > 1:
            self.query_one("#pane-tabs", TabStrip).active = self.PANES.index(pane)

    def go_to_pane(self, pane: Pane) -> None:
        """Give a pane the keys."""
        self._mark_pane(pane)
        self.focus_target(pane).focus(scroll_visible=False)

    def focus_target(self, pane: Pane) -> Widget:
        """The widget of a pane that takes the keys."""
        return self.query_one(pane.selector)

    def pane_named(self, name: str) -> Pane:
        """A pane by its id."""
        return next(pane for pane in self.PANES if pane.id == name)

    def action_next_pane(self) -> None:
        """The next pane; in an input, complete."""
        self._turn(1)

    def action_previous_pane(self) -> None:
        """The pane before."""
        self._turn(-1)

    def _turn(self, by: int) -> None:
        if isinstance(self.focused, Prompt):
            self.focused.complete()
        elif self.pane is not None:
            self.go_to_pane(self.PANES[(self.PANES.index(self.pane) + by) % len(self.PANES)])

    @on(TabStrip.Chosen, "#pane-tabs")
    def _pane_chosen(self, event: TabStrip.Chosen) -> None:
        self.go_to_pane(self.PANES[event.index])

    # -- inputs

    @property
    def command_bar(self) -> Prompt:
        """The command bar."""
        return self.query_one("#command-bar", Prompt)

    @property
    def filter_input(self) -> Prompt:
        """The filter."""
        return self.query_one("#filter", Prompt)

    @property
    def is_prompting(self) -> bool:
        """Whether somebody types into one of them, also while another window has the keys."""
        if self.focused is None and self.is_mounted and not self.app.app_focus:
            return self.command_bar.is_prompting or self.filter_input.is_prompting
        return isinstance(self.focused, Prompt)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Within an input ``/`` is a letter."""
        if action == "filter":
            return not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Open the filter with its text."""
        self.filter_input.open(self.filter_text)

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        if self.filter_input.is_prompting:
            self.filter_text = event.value
            self.apply_filter()

    @on(Input.Submitted, "#filter")
    def _filter_kept(self, event: Input.Submitted) -> None:
        self.filter_text = event.value
        self._close_input(self.filter_input)

    @on(Input.Submitted, "#command-bar")
    def _command_given(self, event: Input.Submitted) -> None:
        self._close_input(self.command_bar)
        self.workbench.run_command(event.value)

    def _close_input(self, prompt: Prompt) -> None:
        prompt.close()
        if self.pane is not None:
            self.go_to_pane(self.pane)
        self.workbench.come_to_what_is_due()

    def apply_filter(self) -> None:
        """The filter's text changed."""

    # -- esc

    def leave_one(self) -> bool:
        """Leave the innermost thing that ``esc`` leaves: input, filter, what narrows the view, pane.

        Returns:
            Whether there was one; otherwise the view itself is left.
        """
        if self.command_bar.is_prompting:
            self._close_input(self.command_bar)
            return True
        if self.filter_input.is_prompting:
            self.filter_text = ""
            self._close_input(self.filter_input)
            self.apply_filter()
            return True
        if self.filter_text:
            self.filter_text = ""
            self.apply_filter()
            return True
        if self.leave_assumption():
            return True
        if self.pane is not None and self.pane is not self.PANES[0]:
            self.go_to_pane(self.pane_before(self.pane))
            return True
        return False

    def leave_assumption(self) -> bool:
        """Take back the newest thing that narrows the view."""
        return False

    def pane_before(self, pane: Pane) -> Pane:
        """Where ``esc`` goes from a pane."""
        return self.PANES[0]


def screen_bindings(place: str) -> list[BindingType]:
    """The bindings of a screen."""
    return [*bindings_of(place)]
