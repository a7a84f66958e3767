"""The start and end of every command: options, logging, errors, exit codes."""

import errno
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from datasets.command import command, command_line, parse, preset_of
from datasets.errors import (
    DataError,
    OptionError,
    UnknownNameError,
    UserError,
    nearest,
    require_known,
)
from tests import REPOSITORY


@dataclass(frozen=True)
class Loss:
    """A loss.

    Attributes:
        name: Name of the loss.
    """

    name: Literal["contrastive", "n_pairs"] = "contrastive"


@dataclass(frozen=True)
class Options:
    """Options of a command.

    Attributes:
        method: Name of the method.
        split: Split to use.
        views: Names of views.
        image_size: Size in pixels.
        loss: Loss to train with.
    """

    method: Literal["deit", "paab", "paat", "paab+paat"] = "paab"
    split: Literal["train", "valid"] | None = None
    views: tuple[Literal["ego", "front"], ...] = ()
    image_size: int = 224
    loss: Loss = field(default_factory=Loss)


def parsed(*words, kind=Options):
    return parse(kind, "python -m command", list(words))


@pytest.fixture
def failure(capsys):
    """Parse words that are a mistake; return what was printed on stderr."""

    def failure(*words, kind=Options):
        with pytest.raises(SystemExit) as end:
            parsed(*words, kind=kind)
        assert end.value.code == 2
        return capsys.readouterr().err

    return failure


def test_options_are_parsed():
    assert parsed("--method", "paat", "--loss.name", "n_pairs", "--views", "ego", "front") == (
        Options("paat", views=("ego", "front"), loss=Loss("n_pairs"))
    )


def function(method: Literal["deit", "paab"] = "deit", config: Options = Options()) -> str:  # noqa: B008
    """Print and return the method.

    Args:
        method: Name of the method.
        config: Other options.
    """
    print(f"running {method}", file=sys.stderr)
    return method


def test_a_function_is_called_once_and_its_result_returned(capsys):
    assert parsed("--method", "paab", kind=function) == "paab"
    assert capsys.readouterr().err == "running paab\n"


def test_an_error_inside_a_function_is_not_taken_for_a_mistake(capsys):
    def failing(method: str = "") -> None:
        print("error: no such data", file=sys.stderr)
        raise SystemExit(2)

    with pytest.raises(SystemExit):
        parsed("--method", "x", kind=failing)
    assert capsys.readouterr().err == "error: no such data\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--methd paab", "unknown option --methd; did you mean --method?"),
        ("--image_siz=3", "unknown option --image-siz; did you mean --image-size?"),
        ("--los.name n_pairs", "unknown option --los.name; did you mean --loss.name?"),
        ("--method paba", "unknown --method 'paba'; did you mean 'paab'? Valid: deit, paab, paat"),
        ("--method=DEIT", "unknown --method 'DEIT'; did you mean 'deit'?"),
        ("--split vald", "unknown --split 'vald'; did you mean 'valid'? Valid: train, valid."),
        ("--views ego frnt", "unknown --views 'frnt'; did you mean 'front'?"),
        ("--loss.name npairs", "unknown --loss.name 'npairs'; did you mean 'n_pairs'?"),
        ("--image-size 3 --methd x", "unknown option --methd"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "config."])
def test_a_misspelt_name_or_value_gives_one_line_with_the_nearest(failure, words, message, prefix):
    if prefix:
        words, message = (text.replace("--", f"--{prefix}") for text in (words, message))
    printed = failure(*words.split(), kind=function if prefix else Options)
    assert printed.startswith(f"error: {message}")
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--image-size large", "error: --image-size takes a whole number, got 'large'."),
        ("--image-size 1e2", "error: --image-size takes a whole number, got '1e2'."),
        ("--image-size", "Missing value"),
        ("extra", "error: not expected: extra."),
        ("-- --methd", "--methd"),
    ],
)
def test_tyro_explains_other_mistakes(failure, words, part):
    printed = failure(*words.split())
    assert part in printed and "python -m command --help" in printed


def test_an_option_that_sets_defaults_is_read_first(capsys):
    choices = ("default", "paper")
    for words in (
        "--recipe paper --x 1",
        "--x 1 --recipe=paper",
        "--recipe x --recipe paper",
    ):
        assert preset_of(words.split(), "--recipe", "default", choices) == "paper"
    for words in ("", "--x 1", "--recipes paper", "--recipe"):
        assert preset_of(words.split(), "--recipe", "default", choices) == "default"
    with pytest.raises(SystemExit) as end:
        preset_of(["--recipe", "papr"], "--recipe", "default", choices)
    assert end.value.code == 2
    assert "unknown --recipe 'papr'; did you mean 'paper'?" in capsys.readouterr().err


def test_command_lines_are_quoted():
    assert command_line("a.b", ["--out", "my runs", "--x", "1"]) == (
        "python -m a.b --out 'my runs' --x 1"
    )


# Names


def test_the_nearest_name_ignores_case_and_prefers_swapped_letters():
    assert nearest("cvs3", ["CS", "CVS1", "CVS3"]) == "CVS3"
    assert nearest("paba", ["paat", "paab"]) == "paab"
    assert nearest("nothing alike", ["x", "thing"]) == "thing"
    with pytest.raises(ValueError, match="no valid name"):
        nearest("x", [])


def test_an_unknown_name_is_an_error_of_the_given_class():
    require_known("world", "lift", ["lift", "can"])
    with pytest.raises(UnknownNameError, match="world 'lfit'.* 'lift'"):
        require_known("world", "lfit", ["lift", "can"])
    with pytest.raises(KeyError):
        require_known("world", "lfit", ["lift", "can"], KeyError)
    with pytest.raises(DataError, match=r"Valid: n0, n1, .* and 10 more\.$"):
        require_known("name", "x", [f"n{i}" for i in range(30)], DataError)


# The end


class FailedWorkError(UserError):
    exit_code = 1


class OtherError(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (DataError("bad file"), 2, "error: bad file\n"),
        (OptionError("--size 0"), 2, "error: --size 0\n"),
        (FailedWorkError("no episode"), 1, "error: no episode\n"),
        (OtherError("bad run"), 2, "error: bad run\n"),
        (KeyboardInterrupt(), 130, "\nstopped. Run it again.\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            1,
            "error: the disk is full at /x/y (No space left on device). Free some space. "
            "Run it again.\n",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/x/y"),
            2,
            "error: /x/y cannot be used (Read-only file system). Choose another folder, or make "
            "its disk writable. Run it again.\n",
        ),
        (
            OSError(errno.EBUSY, "", b"/x/y"),
            2,
            "error: /x/y cannot be used (Device or resource busy). Check the disk, or choose "
            "another place. Run it again.\n",
        ),
        (DataError("a\nb\x1b[31m\udcff"), 2, "error: a\\nb\\x1b[31m\\udcff\n"),
    ],
)
def test_a_command_ends_without_a_traceback(capsys, error, code, printed):
    with pytest.raises(SystemExit) as end, command(OtherError, resume=lambda: "Run it again."):
        raise error
    assert end.value.code == code
    assert capsys.readouterr().err == printed


@pytest.mark.parametrize(
    "error", [ValueError("fault"), OSError(errno.EIO, "broken disk"), OSError("of a library")]
)
def test_faults_keep_their_traceback(error):
    with pytest.raises(type(error)) as raised, command(OtherError):
        raise error
    assert raised.value is error


def test_a_broken_pipe_to_another_program_keeps_its_traceback():
    with pytest.raises(BrokenPipeError), command():
        raise BrokenPipeError(errno.EPIPE, "a worker has died")


PRINT_FOREVER = """
from datasets.command import command
with command():
    for line in range(10**6):
        print(line)
"""


@pytest.mark.slow
def test_a_closed_pipe_ends_a_command_quietly(tmp_path):
    shell = f"set -o pipefail; {sys.executable} -c '{PRINT_FOREVER}' | head -1"
    done = subprocess.run(["bash", "-c", shell], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (141, "0\n", "")


def run_code(code: str, shell: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run `python -c code` with what a shell does to its streams."""
    words = f"{sys.executable} -c {shlex.quote(code)} {shell}"
    return subprocess.run(
        ["bash", "-c", words], cwd=REPOSITORY, capture_output=True, env=os.environ | env
    )


PRINT = """
from datasets.command import command
with command(resume="Again."):
    print("\\u2192 \\udcff \\x1b[31m")
"""


@pytest.mark.slow
def test_any_text_is_printed_on_any_console():
    done = run_code(PRINT, "", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"\\u2192 \\udcff \\x1b[31m\n"
    assert run_code(PRINT, "", PYTHONIOENCODING="utf-8").stdout.startswith("→ ".encode())


@pytest.mark.slow
def test_the_help_is_printed_on_an_ascii_console():
    code = "from datasets.info import main; main(['--help'])"
    done = run_code(code, "", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"") and b"--contact-sheet" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_closed_streams_are_no_fault(shell, code):
    done = run_code(PRINT, shell)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.slow
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_under_stdout_is_one_line(buffered):
    done = run_code(PRINT, ">/dev/full", PYTHONUNBUFFERED=buffered)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert b"the disk is full at the standard output" in done.stderr


def test_an_error_begins_a_line_of_its_own_beside_a_progress_bar():
    code = "from tqdm import tqdm\nfrom datasets.command import command\n"
    code += "from datasets.errors import UserError\nwith command():\n"
    code += "    for _ in tqdm([1, 2], desc='work'): raise UserError('it is bad')"
    assert "error: it is bad" in run_code(code, "").stderr.decode().splitlines()


@pytest.mark.slow
def test_log_records_are_printed_with_their_control_characters_escaped():
    code = "import logging; from datasets.command import command\nwith command():\n"
    code += "    logging.getLogger('align').info('view %s', '\\x1b]0;title\\x07')"
    assert run_code(code, "").stderr == b"view \\x1b]0;title\\x07\n"


LOG = """
import logging
from datasets.command import command

log = logging.getLogger(__name__)
with command():
    log.info("page written")
    logging.getLogger("align.report").info("of this project")
    logging.getLogger("matplotlib").info("of another library")
"""


@pytest.mark.slow
def test_a_module_that_runs_as_the_program_logs_too(tmp_path: Path):
    (tmp_path / "page.py").write_text(LOG)
    done = subprocess.run(
        [sys.executable, "-m", "page"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines() == ["page written", "of this project"]
