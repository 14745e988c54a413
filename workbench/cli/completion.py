"""``workbench completion``: a completion script for a shell."""

from __future__ import annotations

import argparse

from workbench.cli import options
from workbench.errors import ExitStatus

HELP = "a completion script for bash, zsh or fish"
DESCRIPTION = "Print a completion script; source it in the shell's start-up file."
EPILOG = """\
examples:
  workbench completion bash
  workbench completion zsh"""

_BASH = """\
_workbench() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" word command=""
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case " %(commands)s " in *" $word "*) command="$word"; break;; esac
  done
  case "$previous" in
%(values)s
    --manifests|--snapshot|-o|--output) COMPREPLY=($(compgen -f -- "$current")); return;;
  esac
  case "$command" in
%(flags)s
    *) COMPREPLY=($(compgen -W "%(commands)s --sample --manifests --snapshot --help --version" -- "$current"));;
  esac
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


def _commands() -> dict[str, argparse.ArgumentParser]:
    from workbench.cli import make_parser

    for action in make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has commands")


def _flags(parser: argparse.ArgumentParser) -> list[str]:
    return sorted(
        flag
        for action in parser._actions
        if action.help is not argparse.SUPPRESS
        for flag in action.option_strings
        if flag.startswith("--")
    )


def _values() -> dict[str, list[str]]:
    from workbench.sources.samples import samples

    return {"--sample": [sample.name for sample in samples()]}


def _bash() -> str:
    commands = _commands()
    return _BASH % {
        "commands": " ".join(commands),
        "values": "\n".join(
            f'    {flag}) COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$current")); return;;'
            for flag, values in _values().items()
        ),
        "flags": "\n".join(
            f'    {name}) COMPREPLY=($(compgen -W "{" ".join(_flags(parser))}" -- "$current"));;'
            for name, parser in commands.items()
        ),
    }


def _fish() -> str:
    lines = ["complete -c workbench -f"]
    for name, parser in _commands().items():
        lines.append(f"complete -c workbench -n __fish_use_subcommand -a {name} -d {parser.description!r}")
        for flag in _flags(parser):
            lines.append(f"complete -c workbench -n '__fish_seen_subcommand_from {name}' -l {flag[2:]}")
    for flag, values in _values().items():
        lines.append(f"complete -c workbench -l {flag[2:]} -x -a '{' '.join(values)}'")
    return "\n".join(lines)
