"""The start and end of every command: options, logging, errors in one line, Ctrl-C, exit codes.

A command is a dataclass of options and a `main`:

    def main(arguments: Sequence[str] | None = None) -> None:
        config = parse(InfoConfig, prog="python -m datasets.info", arguments=arguments)
        with command():
            print(info(config))

Exit codes: 0 for success, 1 for work that failed, 2 for an error that the user can fix, 130 after
Ctrl-C, 141 when the reader of the output has closed it, as `head` does. The system's errors that
name a file are the user's to fix, too. Unknown exceptions are faults of the program; they keep
their traceback, and Python exits with 1.
"""

from __future__ import annotations

import argparse
import errno
import functools
import inspect
import io
import logging
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import is_dataclass
from typing import Any, TypeVar, get_type_hints

import tyro
from tqdm.contrib.logging import logging_redirect_tqdm

from datasets.bounds import require_in_bounds, require_values_in_bounds
from datasets.console.home import expanded, expanded_arguments
from datasets.console.mistyped import explained, without_frame
from datasets.console.streams import (
    Printable,
    PrintableFormatter,
    named_stdout,
    print_error,
    steady_streams,
)
from datasets.errors import (
    OptionError,
    UnknownNameError,
    UserError,
    require_known,
)
from datasets.storage.atomic import FULL

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
# 128 + SIGPIPE: what a shell reports of any program whose reader has closed the pipe.
EXIT_BROKEN_PIPE = 141

PACKAGES = ("action", "align", "datasets", "sims")

Out = TypeVar("Out")


# Options


def parse(
    kind: Callable[..., Out],
    prog: str,
    arguments: Sequence[str] | None = None,
    default: Any = None,
    description: str | None = None,
    also: Mapping[str, Callable[..., Any]] | None = None,
) -> Out:
    """Read a command line with tyro; use it in place of `tyro.cli`.

    A misspelt option or value ends the program with exit code 2 and one line that names the nearest
    valid one. All other mistakes are explained by tyro, in one line as well. Paths that begin with
    `~` are of the user's home folder.

    Args:
        kind: A dataclass, which is returned with its fields set, or a function, which is called;
            its result is returned.
        prog: How the command is started, for its help text.
        arguments: The command line without the program's name; that of this process by default.
        default: An instance of the dataclass with the default values.
        description: Text at the top of `--help`; the docstring of `kind` by default.
        also: Other forms of the command that `--help` explains below: how each is started, and its
            dataclass.
    """
    steady_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options: dict[str, Any] = {"prog": prog, "description": description}
    if default is not None:
        options["default"] = default
    parsed: Callable[..., Any] = _postponed(kind) if inspect.isroutine(kind) else kind
    explanation = io.StringIO()
    with quiet_without_reader():
        try:
            # Only the parsing is inside: what a function prints while it runs is not held back.
            with redirect_stderr(explanation):
                result: Any = tyro.cli(parsed, args=arguments, **options)
        except SystemExit as end:
            if end.code:
                mistake = explained(parsed, arguments, options)
                print(mistake or without_frame(explanation.getvalue()), file=sys.stderr)
            elif {"-h", "--help"} & set(arguments):
                _print_help(also or {})
            raise
        sys.stderr.write(explanation.getvalue())  # warnings of tyro, if any
        with user_errors(OptionError):
            _require_in_bounds(kind, result)
            result = expanded_arguments(result) if inspect.isroutine(kind) else expanded(result)
    return result() if inspect.isroutine(kind) else result


def _require_in_bounds(kind: Callable[..., Any], result: Any) -> None:
    if inspect.isroutine(kind):
        values = inspect.signature(kind).bind(*result.args, **result.keywords).arguments
        types = get_type_hints(kind, include_extras=True)
        for name, value in values.items():
            marks = getattr(types[name], "__metadata__", ())
            if any(getattr(mark, "name", None) == "" for mark in marks):
                require_in_bounds(value)  # its options have no prefix
            else:
                require_values_in_bounds({name: value}, types)
    elif is_dataclass(result):
        require_in_bounds(result)


def optional(metavar: str) -> Any:
    """Annotation of an option whose help text says what happens without it.

    Without it, tyro adds "{None}|" to the metavar and "(default: None)" to the help text.
    """
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


def _postponed(function: Callable[..., Out]) -> Callable[..., Callable[[], Out]]:
    """Return a function of the same signature that binds its arguments and does not run yet."""

    @functools.wraps(function)
    def bind(*args: Any, **kwargs: Any) -> Callable[[], Out]:
        return functools.partial(function, *args, **kwargs)

    return bind


def _print_help(forms: Mapping[str, Callable[..., Any]]) -> None:
    for prog, kind in forms.items():
        print()
        try:
            tyro.cli(kind, prog=prog, args=["--help"])
        except SystemExit:
            continue  # tyro exits after each help text


def preset_of(
    arguments: Sequence[str], option: str, default: str, choices: Collection[str] | None = None
) -> str:
    """Return the value of one option that decides what the other options are or default to.

    tyro needs the other options before it can read a command line, so this one is read first; the
    full parse follows and checks everything. No other code reads a command line by hand.

    Args:
        arguments: The command line without the program's name.
        option: Name of the option, such as `--recipe`.
        default: Its value when the command line does not name it.
        choices: Its valid values; any when None. An invalid value ends the program with exit code
            2 and one line that names the nearest valid one.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(option, dest="value", default=default, nargs="?", const=default)
    value = parser.parse_known_args(arguments)[0].value
    with user_errors(UnknownNameError):
        if choices is not None:
            require_known(option, value, choices)
    return value


def command_line(module: str, arguments: Iterable[str]) -> str:
    """Return the shell command that runs a module with these arguments, quoted for a shell."""
    return shlex.join(["python", "-m", module, *arguments])


# Start and end


@contextmanager
def command(*families: type[Exception], resume: str | Callable[[], str] = "") -> Iterator[None]:
    """Run the work of a command, from its logging to its exit code.

    Errors of `UserError`, and the system's errors that name a file, are printed in one line and end
    the program with the error's exit code. Ctrl-C and a closed pipe end it without a traceback. All
    other exceptions keep their traceback. Log records appear above a progress bar, not in it.

    Args:
        families: More classes of errors that the user can fix.
        resume: One or two sentences on how to resume, printed after Ctrl-C and the system's errors;
            a function is called then.
    """
    steady_streams()
    set_up_logging()
    with (
        quiet_without_reader(),
        redirect_stdout(Printable(sys.stdout)),  # type: ignore[type-var]
        _explained(families, resume),
        logging_redirect_tqdm(),
    ):
        yield


@contextmanager
def _explained(
    families: tuple[type[Exception], ...], resume: str | Callable[[], str]
) -> Iterator[None]:
    known: tuple[type[Exception], ...] = (UserError, *families)
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nstopped. {_text(resume)}".rstrip(), file=sys.stderr)
        raise SystemExit(EXIT_INTERRUPTED) from None
    except known as error:
        print_error(error)
        raise SystemExit(getattr(error, "exit_code", EXIT_USAGE)) from None
    except OSError as error:
        message = _of_system(error)
        if message is None:
            raise
        print_error(f"{message} {_text(resume)}".rstrip())
        raise SystemExit(EXIT_FAILED if error.errno in FULL else EXIT_USAGE) from None


def _of_system(error: OSError) -> str | None:
    """Explain an error of the system; None where it names no file, or is of a library."""
    number = error.errno or 0
    if number not in errno.errorcode:
        return None
    reason = os.strerror(number)
    place = None if error.filename is None else os.fsdecode(error.filename)
    if number in FULL:
        where = f" at {place}" if place else ""
        return f"the disk is full{where} ({reason}). Free some space."
    remedy = _REMEDIES.get(number, "Check the disk, or choose another place.")
    return f"{place} cannot be used ({reason}). {remedy}" if place else None


_REMEDIES = {
    errno.EROFS: "Choose another folder, or make its disk writable.",
    errno.EACCES: "Change its permissions, or choose another place.",
    errno.EPERM: "Change its permissions, or choose another place.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "A part of the path is a file: check the path.",
    errno.EISDIR: "It is a folder: name a file.",
    errno.EEXIST: "Choose another name, or remove it.",
    errno.ENOTEMPTY: "Choose another name, or remove it.",
    errno.ELOOP: "Its links lead in a circle: remove them, or choose another path.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EMFILE: "Allow more open files: ulimit -n 4096.",
}


def _text(resume: str | Callable[[], str]) -> str:
    if isinstance(resume, str):
        return resume
    try:
        return resume()
    except (UserError, OSError):
        return ""  # it looks at the data whose error is being printed


def set_up_logging() -> None:
    """Send log records of these packages to stderr, from level INFO; stdout is for results."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # `python -m align.report` runs under the name __main__, and its logger has that name.
    for name in ("__main__", *PACKAGES):
        logging.getLogger(name).setLevel(logging.INFO)


@contextmanager
def user_errors(*families: type[Exception], then: str = "") -> Iterator[None]:
    """Print errors of these classes in one line and exit; all others keep their traceback.

    Args:
        families: Classes of errors that the user can fix.
        then: A second line: what to do once the error is fixed.
    """
    try:
        yield
    except families as error:
        print_error(error)
        if then:
            print(then, file=sys.stderr)
        raise SystemExit(EXIT_USAGE) from None


@contextmanager
def quiet_without_reader() -> Iterator[None]:
    """End without a traceback when stdout cannot be written, as where `… | head` has closed it."""
    try:
        try:
            yield
        except SystemExit:
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        if not _reader_is_gone():
            raise  # another pipe, such as one to a worker
        _discard_stdout()
        raise SystemExit(EXIT_BROKEN_PIPE) from None


def _flush() -> None:
    try:
        with named_stdout():
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_stdout()
        print_error(_of_system(error))
        raise SystemExit(EXIT_FAILED) from None


def _discard_stdout() -> None:
    # Python flushes stdout once more when it exits, which would print another error.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reader_is_gone() -> bool:
    try:
        print(flush=True)
    except BrokenPipeError:
        return True
    return False
