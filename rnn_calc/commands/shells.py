"""The scripts with which bash, zsh and fish ask for completions, and where each shell finds its own."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rnn_calc.commands.setup import choose
from rnn_calc.core.errors import OutputError, UsageError, listed, printable, quoted

_BASH = """\
_rnncalc_complete() {
    local kind= line
    COMPREPLY=()
    {
        IFS= read -r kind
        while IFS= read -r line; do
            COMPREPLY+=("$line")
            case $line in *[=,]) compopt -o nospace 2>/dev/null ;; esac
        done
    } < <(_RNNCALC_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null </dev/null)
    case $kind$2 in
        files@*)
            compopt -o filenames 2>/dev/null
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -P @ -f -- "${2#@}")
            ;;
        files*) compopt -o default 2>/dev/null ;;
    esac
}
complete -F _rnncalc_complete rnncalc
"""

_ZSH = """\
#compdef rnncalc
_rnncalc_complete() {
    local kind line value
    local -a lines values shown open open_shown
    lines=("${(@f)$(_RNNCALC_COMPLETE=zsh "${(Q)words[1]}" "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" \\
        2>/dev/null </dev/null)}")
    kind=$lines[1]
    if [[ $kind == files ]]; then
        compset -P '--[^=]##=' || compset -P '@'
        _files
        return
    fi
    for line in "${(@)lines[2,-1]}"; do
        value=${line%%$'\\t'*}
        [[ -n ${line#*$'\\t'} ]] && line="$value  -- ${line#*$'\\t'}" || line=$value
        if [[ $value == *[=,] ]]; then
            open+=("$value") open_shown+=("$line")
        else
            values+=("$value") shown+=("$line")
        fi
    done
    compadd -l -V rnncalc -d shown -a values
    compadd -l -V rnncalc -S '' -d open_shown -a open
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
compdef _rnncalc_complete rnncalc
"""

_FISH = """\
function __rnncalc_complete
    set -l words (commandline -opc)
    set -l word (string unescape -- (string replace -r '^[\\'"]' '' -- (commandline -ct)))
    set -l lines (env _RNNCALC_COMPLETE=fish $words[1] $words[2..-1] "$word" 2>/dev/null </dev/null)
    if test "$lines[1]" = files
        set -l lead (string match -r -- '^(?:--[^=]*=)?@?' "$word")
        for path in (__fish_complete_path (string sub -s (math (string length -- "$lead") + 1) -- "$word"))
            printf '%s%s\\n' "$lead" "$path"
        end
    else
        printf '%s\\n' $lines[2..-1]
    end
end
complete --command rnncalc --no-files --keep-order --arguments '(__rnncalc_complete)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
SHELLS = tuple(_SCRIPTS)


def current_shell(option: str) -> str:
    """The shell that the environment names.

    Raises: UsageError for none of those that there are scripts for, naming what `option` takes.
    """
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        given = f"$SHELL is {quoted(name)}" if name else "$SHELL does not say"
        raise UsageError(f"Which shell? {given}; name one: {option} {listed(SHELLS)}.")
    return name


def script_of(shell: str) -> str:
    """The script with which that shell asks.

    Raises: UsageError for a shell that there is none for.
    """
    return _SCRIPTS[choose(shell, SHELLS, "completion for the shell")]


def install(shell: str) -> str:
    """What was written and what to do next: the script, where every new shell reads it; done twice it is the same.

    Raises: UsageError for a shell that there is no script for, OutputError where that cannot be written.
    """
    script, home = script_of(shell), Path.home()
    try:
        if shell == "fish":
            path = _folder("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "rnncalc.fish"
            _write(path, script)
            return f"Written: {_named(path)}. Every new fish completes rnncalc."
        path = _folder("XDG_DATA_HOME", ".local/share") / "rnncalc" / f"completion.{shell}"
        _write(path, script)
        start = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc" if shell == "zsh" else home / ".bashrc"
        word = shlex.quote(str(path))
        _append(start, f"[ -f {word} ] && . {word}  # completion for rnncalc")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{_named(error.filename)} cannot be written: {reason}.") from None
    return (
        f"Written: {_named(path)}, and a line in {_named(start)} that reads it.\n"
        f"Every new {shell} completes rnncalc; this one after: . {printable(word)}"
    )


def _folder(variable: str, usual: str) -> Path:
    """A folder of the user's, as the XDG base directory specification finds it."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / usual


def _named(path: object) -> str:
    return f"'{printable(str(path))}'"


def _write(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")


def _append(path: Path, line: str) -> None:
    """Add the line to a file that may not be there, unless it has it; what it holds is not touched."""
    encoded = os.fsencode(line)
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        if encoded not in content.splitlines():
            file.write((b"" if not content or content.endswith(b"\n") else b"\n") + encoded + b"\n")
