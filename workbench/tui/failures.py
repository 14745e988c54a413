"""What is said where a source cannot be opened: one sentence, the cause, the next step."""

from __future__ import annotations

from workbench.errors import InputError, WorkbenchError
from workbench.tui import state
from workbench.tui.text import Spans, shown


def failure_lines(error: Exception, source: str) -> tuple[str, list[Spans]]:
    """One sentence, the cause, the next step."""
    if isinstance(error, InputError):
        faults = error.faults
        places = "1 place in it is wrong" if len(faults) == 1 else f"{len(faults)} places in it are wrong"
        lines: list[Spans] = [((f"{shown(source)} cannot be read: {places}.", "strong"),)]
        lines += [((f"  {shown(fault, 1024)}", "warning"),) for fault in faults]
        lines.append((("Mend it and press r; with --keep-going the rest is analysed.", ""),))
    elif isinstance(error, WorkbenchError):
        lines = [((f"{shown(source)} cannot be opened.", "strong"),)]
        lines += [((f"  {shown(line, 1024)}", "warning"),) for line in str(error).splitlines()]
        if getattr(error, "gaps", ()):
            lines.append((("! lists what was refused, and the Role that would help.", ""),))
            lines.append(((":ctx NAME takes another context, --as USER another user; r tries again.", ""),))
        lines.append((("r tries again, :open SOURCE opens another, esc goes to Connect.", ""),))
    else:
        lines = [
            ((f"{shown(source)} cannot be opened: an internal error.", "strong"),),
            ((f"  {type(error).__name__}: {shown(error)}", "warning"),),
            ((f"This is a defect of the program; details: {shown(state.log_path())}", ""),),
            ((":open SOURCE opens another, esc goes to Connect.", ""),),
        ]
    return "Error", lines
