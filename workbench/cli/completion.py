"""``workbench completion``: a completion script for a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "a completion script for bash, zsh or fish"
DESCRIPTION = "Print a completion script; source it in the shell's start-up file."
EPILOG = """\
examples:
  workbench completion bash
  workbench completion zsh
  workbench completion fish

to use it:
  source <(workbench completion bash)          in ~/.bashrc
  source <(workbench completion zsh)           in ~/.zshrc, after compinit
  workbench completion fish | source           in ~/.config/fish/config.fish"""

_FILES = "FILES"
"""In place of values: the names of files."""

_BASH = """\
_workbench() {
  local current="${COMP_WORDS[COMP_CWORD]}" flag="" word command=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) flag="$word";;
      %(commands)s) if [ -z "$command" ]; then command="$word"; flag=""; fi;;
    esac
  done
  COMPREPLY=()
  if [[ "$current" != -* ]]; then
    case "$command $flag" in
%(values)s
    esac
  fi
  case "$command" in
%(flags)s
    *) COMPREPLY=($(compgen -W "%(all)s" -- "$current"));;
  esac
}
complete -o default -F _workbench workbench kubectl-workbench"""

_ZSH = """\
#compdef workbench kubectl-workbench
autoload -U +X bashcompinit && bashcompinit
%s"""


@dataclass(frozen=True)
class _Command:
    """What can stand after a command."""

    help: str
    flags: Mapping[str, Iterable[str] | None]
    """The values of each option: words, ``(_FILES,)``, or ``None`` for what cannot be listed or is not there."""
    words: Iterable[str]
    """The values of its positional argument."""

    def long(self) -> list[str]:
        """The long options."""
        return [flag for flag in self.flags if flag.startswith("--")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    options.write({"bash": _bash, "zsh": lambda: _ZSH % _bash(), "fish": _fish}[args.shell]())
    return ExitStatus.DONE


def _commands() -> dict[str, _Command]:
    from workbench.cli import make_parser, subparsers
    from workbench.sources.samples import samples
    from workbench.techniques.registry import public_techniques

    names = [sample.name for sample in samples()]
    known: dict[str, Iterable[str]] = {
        "sample": names,
        "exclude_technique": [technique.id for technique in public_techniques()],
        "technique": [technique.id for technique in public_techniques()],
        "source": [f"sample:{name}" for name in names],
        "theme": ["dark", "light"],
        "manifests": (_FILES,),
        "snapshot": (_FILES,),
        "output": (_FILES,),
    }
    out: dict[str, _Command] = {}
    for name, parser in subparsers(make_parser()).items():
        flags: dict[str, Iterable[str] | None] = {}
        words: Iterable[str] = ()
        for action in parser._actions:
            if action.help is argparse.SUPPRESS:
                continue
            values = [str(choice) for choice in action.choices] if action.choices else known.get(action.dest)
            for flag in action.option_strings:
                flags[flag] = None if action.nargs == 0 else values
            if not action.option_strings:
                words = values or ()
        out[name] = _Command((parser.description or "").partition("\n")[0], dict(sorted(flags.items())), words)
    return out


def _bash() -> str:
    commands = _commands()
    values: list[str] = []
    for name, command in commands.items():
        for flag, words in command.flags.items():
            if words is not None:
                # Without a command it is `open`.
                pattern = f'"{name} {flag}"' + (f'|" {flag}"' if name == "open" else "")
                values.append(f"      {pattern}) {_reply(words)} return;;")
    flags = [f"    {name}) {_reply([*command.long(), *command.words])};;" for name, command in commands.items()]
    return _BASH % {
        "commands": "|".join(commands),
        "values": "\n".join(values),
        "flags": "\n".join(flag.replace(";;;", ";;") for flag in flags),
        "all": " ".join([*commands, *commands["open"].long(), "--version"]),
    }


def _reply(words: Iterable[str]) -> str:
    words = list(words)
    wanted = "-f" if words == [_FILES] else f'-W "{" ".join(words)}"'
    return f'COMPREPLY=($(compgen {wanted} -- "$current"));'


def _fish() -> str:
    lines: list[str] = []
    for program in ("workbench", "kubectl-workbench"):
        lines.append(f"complete -c {program} -f")
        for name, command in _commands().items():
            first = f"complete -c {program} -n __fish_use_subcommand"
            after = f"complete -c {program} -n '__fish_seen_subcommand_from {name}'"
            lines.append(f"{first} -a {name} -d {_quoted(command.help)}")
            starts = [after, first] if name == "open" else [after]
            for start in starts:
                for flag, words in command.flags.items():
                    option = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                    values = (
                        "" if words is None else " -r -F" if [*words] == [_FILES] else f" -x -a '{' '.join(words)}'"
                    )
                    lines.append(f"{start} {option}{values}")
            if command.words:
                lines.append(f"{after} -a '{' '.join(command.words)}'")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
