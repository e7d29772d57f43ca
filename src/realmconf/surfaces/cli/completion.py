"""
``completion``: the script that makes a shell complete our commands, options, realms and paths.

The scripts are made from the table of commands.  For realms and paths they call back: ``realmconf completion
realms`` and ``realmconf completion paths`` print what there is to choose from, one a line.
"""

from __future__ import annotations

from itertools import islice

from realmconf.domain.pointer import ROOT, Pointer
from realmconf.surfaces.cli.commands import COMMANDS, GLOBAL_OPTIONS
from realmconf.surfaces.cli.wording import help_of, summary_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from realmconf.domain.schemas.shape import Shape
    from realmconf.surfaces.cli.call import Call
    from realmconf.surfaces.cli.table import Command, Operand, Option

SCHEMA_DEPTH_MAX = 4
SCHEMA_KEYS_MAX = 1_000
"""A schema may refer to itself, and nobody completes far into it."""


def completion(call: Call) -> None:
    """Print a script, or what a script asks for."""
    printers = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
    wanted = call.request.shell
    if wanted in printers:
        call.print_text(printers[wanted]())
    else:
        call.print(*sorted(_candidates(call, wanted)))


def _candidates(call: Call, wanted: str) -> set[str]:
    if wanted == "realms":
        return {str(one.realm) for one in call.client.realms()}
    from realmconf.domain.diff import leaves

    snapshot = call.realm().get()
    point = snapshot.point
    if point.problem is not None:
        found = {pointer for pointer, _ in leaves(snapshot.document or {})}
    else:
        found = {pointer for pointer, _ in leaves(point.composed.config)}
        found |= set(islice(_keys_of(point.composed.shape, ROOT), SCHEMA_KEYS_MAX))
    # Sections too: `get agent` is as good as `get agent.model`.
    found |= {Pointer(pointer[:depth]) for pointer in found for depth in range(1, len(pointer))}
    return {pointer.dotted for pointer in found if pointer}


def _keys_of(shape: Shape, at: Pointer) -> Iterator[Pointer]:
    """The places that schemas name: what `set` may be meant for, though nothing stands there yet."""
    if len(at) < SCHEMA_DEPTH_MAX:
        for key in shape.keys:
            yield at.child(key)
            yield from _keys_of(shape.member(key), at.child(key))


# --- bash -----------------------------------------------------------------------------

_BASH_ACTIONS = {
    "file": "_realmconf_files",
    "realm": "_realmconf_ask realms",
    "pointer": "_realmconf_ask paths",
}


def bash_script() -> str:
    """For ``~/.bashrc``: ``eval "$(realmconf completion bash)"``."""
    valued = sorted({name for option in GLOBAL_OPTIONS if option.kind for name in option.names})
    lines = [
        "# Completion of realmconf for bash.",
        "_realmconf_ask() {",
        '    COMPREPLY=($(compgen -W "$(realmconf completion "$1" 2>/dev/null)" -- "$word"))',
        "}",
        "_realmconf_files() {",
        "    compopt -o filenames 2>/dev/null",
        '    COMPREPLY=($(compgen -f -- "$word"))',
        "}",
        "_realmconf_words() {",
        '    COMPREPLY=($(compgen -W "$1" -- "$word"))',
        "}",
        "_realmconf() {",
        "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= place",
        "    for ((place = 1; place < COMP_CWORD; place++)); do",
        '        case "${COMP_WORDS[place]}" in',
        f"            {'|'.join(valued)}) ((place++)) ;;",
        "            -*) ;;",
        "            *) command=${COMP_WORDS[place]}; break ;;",
        "        esac",
        "    done",
        '    case "$command:$previous" in',
        *(f"        {line}" for line in _bash_value_cases()),
        "    esac",
        '    case "$command:$word" in',
        f'        :-*) _realmconf_words "{_spellings(GLOBAL_OPTIONS)} --help --version" ;;',
        f'        :*) _realmconf_words "{" ".join(command.name for command in COMMANDS)}" ;;',
    ]
    for command in COMMANDS:
        options = _spellings((*command.options, *GLOBAL_OPTIONS))
        lines.append(f'        {command.name}:-*) _realmconf_words "{options} --help" ;;')
        actions = filter(None, map(_bash_operand_action, command.operands))
        action = next(actions, None)
        if action:
            lines.append(f"        {command.name}:*) {action} ;;")
    lines += ["    esac", "}", "complete -F _realmconf realmconf", ""]
    return "\n".join(lines)


def _bash_value_cases() -> Iterator[str]:
    """After an option its values; after a first operand that is a choice what follows it."""
    for option in GLOBAL_OPTIONS:
        yield from _bash_option_case("*", option)
    for command in COMMANDS:
        for option in command.options:
            yield from _bash_option_case(command.name, option)
        first, *others = command.operands or (None,)
        if first is not None and first.choices and others:
            action = _bash_operand_action(others[0]) or "COMPREPLY=()"
            chosen = "|".join(f"{command.name}:{choice}" for choice in first.choices)
            yield f"{chosen}) {action}; return ;;"


def _bash_option_case(command: str, option: Option) -> Iterator[str]:
    if option.kind is None:
        return
    action = _BASH_ACTIONS.get(option.kind, "COMPREPLY=()")
    if option.choices:
        action = f'_realmconf_words "{" ".join(option.choices)}"'
    yield f"{'|'.join(f'{command}:{name}' for name in option.names)}) {action}; return ;;"


def _bash_operand_action(operand: Operand) -> str | None:
    if operand.choices:
        return f'_realmconf_words "{" ".join(operand.choices)}"'
    return _BASH_ACTIONS.get(operand.kind)


# --- zsh ------------------------------------------------------------------------------

_ZSH_ACTIONS = {"file": "_files", "realm": "_realmconf_realms", "pointer": "_realmconf_paths"}


def zsh_script() -> str:
    """For a file ``_realmconf`` in a folder of ``$fpath``."""
    lines = [
        "#compdef realmconf",
        "# Completion of realmconf for zsh.",
        '_realmconf_realms() { compadd -- ${(f)"$(realmconf completion realms 2>/dev/null)"} }',
        '_realmconf_paths() { compadd -- ${(f)"$(realmconf completion paths 2>/dev/null)"} }',
        "_realmconf() {",
        "    local state context line",
        "    local -a commands",
        "    commands=(",
        *(f"        {_quoted(f'{command.name}:{summary_of(command)}')}" for command in COMMANDS),
        "    )",
        "    _arguments -C \\",
        *(f"        {_zsh_option(None, option)} \\" for option in GLOBAL_OPTIONS),
        "        '1:command:->command' \\",
        "        '*::argument:->argument'",
        "    case $state in",
        "        command) _describe command commands ;;",
        "        argument)",
        "            case $line[1] in",
    ]
    for command in COMMANDS:
        specifications = [
            *(_zsh_option(command, option) for option in command.options),
            *(_zsh_option(None, option) for option in GLOBAL_OPTIONS),
        ]
        for place, operand in enumerate(command.operands, start=1):
            action = f"({' '.join(operand.choices)})" if operand.choices else ""
            action = action or _ZSH_ACTIONS.get(operand.kind, "")
            count = "*" if operand.repeats else str(place)
            specifications.append(_quoted(f"{count}:{operand.label}:{action}"))
        lines.append(f"                {command.name}) _arguments {' '.join(specifications)} ;;")
    lines += [
        "            esac ;;",
        "    esac",
        "}",
        'if [ "$funcstack[1]" = _realmconf ]; then _realmconf "$@"; else compdef _realmconf realmconf; fi',
        "",
    ]
    return "\n".join(lines)


def _zsh_option(command: Command | None, option: Option) -> str:
    meaning = help_of(command, option).replace("[", "(").replace("]", ")").replace(":", " -")
    action = ""
    if option.kind is not None:
        chosen = f"({' '.join(option.choices)})" if option.choices else ""
        action = f":{option.label}:{chosen or _ZSH_ACTIONS.get(option.kind, '')}"
    repeated = "*" if option.repeats else ""
    return " ".join(_quoted(f"{repeated}{name}[{meaning}]{action}") for name in option.names)


# --- fish -----------------------------------------------------------------------------

_FISH_ACTIONS = {
    "file": "--force-files",
    "realm": "--no-files --arguments '(realmconf completion realms 2>/dev/null)'",
    "pointer": "--no-files --arguments '(realmconf completion paths 2>/dev/null)'",
}


def fish_script() -> str:
    """For a file ``realmconf.fish`` in ``~/.config/fish/completions``."""
    lines = ["# Completion of realmconf for fish.", "complete --command realmconf --no-files"]
    lines += [
        "complete --command realmconf --condition __fish_use_subcommand "
        f"--arguments {command.name} --description {_quoted(summary_of(command))}"
        for command in COMMANDS
    ]
    lines += [_fish_option(None, option) for option in GLOBAL_OPTIONS]
    for command in COMMANDS:
        condition = _fish_condition(command)
        lines += [_fish_option(command, option) for option in command.options]
        for operand in command.operands:
            action = _FISH_ACTIONS.get(operand.kind)
            if operand.choices:
                action = f"--no-files --arguments {_quoted(' '.join(operand.choices))}"
            if action:
                lines.append(
                    f"complete --command realmconf --condition {_quoted(condition)} {action}"
                )
    return "\n".join([*lines, ""])


def _fish_condition(command: Command) -> str:
    return f"__fish_seen_subcommand_from {command.name}"


def _fish_option(command: Command | None, option: Option) -> str:
    words = ["complete --command realmconf"]
    if command is not None:
        words.append(f"--condition {_quoted(_fish_condition(command))}")
    words += [
        f"--long-option {name[2:]}" if name.startswith("--") else f"--short-option {name[1:]}"
        for name in option.names
    ]
    if option.kind is not None:
        words.append("--require-parameter")
        if option.choices:
            words.append(f"--no-files --arguments {_quoted(' '.join(option.choices))}")
        else:
            words.append(_FISH_ACTIONS.get(option.kind, "--no-files"))
    return " ".join([*words, f"--description {_quoted(help_of(command, option))}"])


# --- parts ----------------------------------------------------------------------------


def _spellings(options: tuple[Option, ...]) -> str:
    return " ".join(name for option in options for name in option.names)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
