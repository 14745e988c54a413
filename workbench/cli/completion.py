"""``workbench completion``: a completion script for a shell."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.cli import options
from workbench.errors import ExitStatus

if TYPE_CHECKING:
    from workbench.cli.candidates import Command, Values

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
  workbench completion fish | source           in ~/.config/fish/config.fish

`kubectl workbench` needs none: kubectl's own completion asks kubectl_complete-workbench, which is installed too."""

# The bash of macOS is 3.2 and zsh has no compopt: there, where nothing matches, names of files are offered.
_BASH = """\
_workbench() {
  local current="${COMP_WORDS[COMP_CWORD]}" head="" flag="" word command="" words="" files=""
  # bash splits words at a colon and at an equals sign, and replaces only what stands after it.
  case "$current" in
    :) head="${COMP_WORDS[COMP_CWORD-1]}:"; current="";;
    =) current="";;
    *) if [ "${COMP_WORDS[COMP_CWORD-1]}" = : ]; then head="${COMP_WORDS[COMP_CWORD-2]}:"; fi;;
  esac
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case "$word" in
      =|:) ;;
      -?*) flag="$word";;
      %(commands)s) if [ -z "$command" ]; then command="$word"; flag=""; fi;;
      *)
        case "$flag" in
          %(many)s) ;;
          *) flag="";;
        esac;;
    esac
  done
  COMPREPLY=()
  case "$current" in
    -*) ;;
    *)
      case "$command $flag" in
%(values)s
      esac;;
  esac
  if [ -z "$words" ]; then
    case "$command" in
%(flags)s
      *) words="%(all)s";;
    esac
  fi
  [ -n "$files" ] || compopt +o default 2>/dev/null
  COMPREPLY=($(compgen -W "$words" -- "$head$current"))
  [ -z "$head" ] || COMPREPLY=("${COMPREPLY[@]#"$head"}")
}
complete -o default -F _workbench workbench kubectl-workbench"""

_ZSH = """\
#compdef workbench kubectl-workbench
autoload -U +X bashcompinit && bashcompinit
%s"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    options.write({"bash": _bash, "zsh": lambda: _ZSH % _bash(), "fish": _fish}[args.shell]())
    return ExitStatus.DONE


def _bash() -> str:
    from workbench.cli.candidates import commands

    known = commands()
    # One line for all options that take the same.
    patterns: dict[str, list[str]] = {}
    for name, command in known.items():
        for flag, values in command.flags.items():
            if values is not None:
                where = patterns.setdefault(_reply(values), [])
                where.append(f'"{name} {flag}"')
                if name == "open":
                    # Without a command it is `open`.
                    where.append(f'" {flag}"')
    many = {flag for command in known.values() for flag, values in command.flags.items() if values and values.many}
    return _BASH % {
        "commands": "|".join(known),
        "many": "|".join(sorted(many)),
        "values": "\n".join(f"        {'|'.join(where)}) {reply};;" for reply, where in patterns.items()),
        "flags": "\n".join(f"      {name}) {_following(command)};;" for name, command in known.items()),
        "all": " ".join([*known, *known["open"].long(), "--version"]),
    }


def _reply(values: Values) -> str:
    if values.files:
        return "return"
    return f'words="{" ".join(values.words)}"' if values.words else "compopt +o default 2>/dev/null; return"


def _following(command: Command) -> str:
    words = f'words="{" ".join([*command.long(), *command.words])}"'
    return f"files=1; {words}" if command.files else words


def _fish() -> str:
    from workbench.cli.candidates import commands

    known = commands()
    lines: list[str] = []
    for program in ("workbench", "kubectl-workbench"):
        lines.append(f"complete -c {program} -f")
        # Without a command it is `open`: what stands after its flags must not count as one.
        first = f"complete -c {program} -n 'not __fish_seen_subcommand_from {' '.join(known)}'"
        for name, command in known.items():
            after = f"complete -c {program} -n '__fish_seen_subcommand_from {name}'"
            lines.append(f"{first} -a {name} -d {_quoted(command.help)}")
            for start in [after, first] if name == "open" else [after]:
                for flag, values in command.flags.items():
                    option = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                    lines.append(f"{start} {option}{_fish_values(values)} -d {_quoted(command.helps[flag])}")
            if command.words:
                lines.append(f"{after}{' -F' if command.files else ''} -a '{' '.join(command.words)}'")
    return "\n".join(lines)


def _fish_values(values: Values | None) -> str:
    if values is None:
        return ""
    if values.files:
        return " -r -F"
    return f" -x -a '{' '.join(values.words)}'" if values.words else " -x"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
