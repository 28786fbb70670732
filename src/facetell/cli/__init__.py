"""The command line: find the verb, parse its arguments, call it, and print known errors as one message.

A verb is a module of this package with ``add_arguments(parser)`` and ``run(args) -> int``, imported only when called.
This module imports nothing slow, so that ``facetell --help`` is fast and Ctrl-C never prints a traceback.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, TextIO

from facetell import __version__
from facetell.runtime import check_interrupted, exit_code, on_stop

GROUPS = {
    "Investigate": {
        "detect": "score videos: is a face in them forged?",
        "scan": "score a corpus of videos, each once; resumable",
        "watch": "score a camera, a stream or a file while it plays",
        "serve": "serve a page and an HTTP API to upload videos and read their reports",
    },
    "Evaluate": {
        "datasets": "write the manifest of a benchmark, or check one",
        "prepare": "crop the faces out of the videos of a manifest, once",
        "score": "score the videos of a manifest into a score file",
        "evaluate": "write tables, curves and a page from score files, under a published protocol",
        "compare": "compare two models on the same videos: difference, interval, p value",
        "distort": "write distorted copies of videos, to test detectors",
    },
    "Train": {
        "train": "train a network from a configuration file",
        "sweep": "train and compare a grid of configurations",
        "models": "list the networks that can be trained, and their size",
        "export": "export to ONNX and verify that outputs match",
        "forge": "write a forgery of a real video, to train or test detectors",
    },
    "Tools": {
        "doctor": "list what is installed and what is missing",
        "motion": "draw the motion of a face: optical flow, and differences in time",
    },
}
VERBS = {verb: summary for verbs in GROUPS.values() for verb, summary in verbs.items()}
COMPLETION = 'Completion in bash and zsh (extra `completion`): eval "$(register-python-argcomplete facetell)"'

# Packages by the extra that installs them.
EXTRAS = {
    "bench": ("pyarrow", "scipy"),
    "provenance": ("c2pa",),
    "ray": ("ray",),
    "serve": ("fastapi", "prometheus_client", "python_multipart", "uvicorn"),
    "train": ("onnx", "onnxruntime", "onnxscript", "torch", "yaml"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code.

    0: done. 1: an error of the call or of the environment. 2: done in part, for example some videos were not scored.
    130, 143, 129: stopped by Ctrl-C, SIGTERM, SIGHUP.
    """
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    argv = list(sys.argv[1:] if argv is None else argv)
    called = next((word for word in argv if not word.startswith("-")), "")
    if called not in VERBS and os.path.lexists(called):
        called = "detect"
        argv.insert(0, called)
    program = f"facetell {called}" if called in VERBS else "facetell"
    # A stream that was closed is None. A name may have characters that the encoding of a stream lacks.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # open to the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with on_stop():
            return _guarded(argv, called, program)
    except KeyboardInterrupt:
        _write(sys.stderr, f"{program}: interrupted\n")
        return exit_code()


class Parser(argparse.ArgumentParser):
    """Raises FacetellError for a wrong call."""

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        from facetell.types import FacetellError

        raise FacetellError(f"{message}; see `{self.prog} --help`")


def _guarded(argv: list[str], called: str, program: str) -> int:
    try:
        try:
            return _run(argv, called)
        finally:
            sys.stdout.flush()
    except Exception as error:
        _write(sys.stdout)
        check_interrupted()  # a library may turn KeyboardInterrupt into an error of its own
        if (message := _message(error)) is None:
            raise
        if {"-v", "--verbose"} & set(argv):
            traceback.print_exc()
        _write(sys.stderr, f"{program}: {message}\n")
    return 1


def _message(error: Exception) -> str | None:
    """What to print for an error; None for a bug of facetell itself."""
    from facetell.report.words import one_line
    from facetell.types import FacetellError, needs_extra

    if isinstance(error, FacetellError):
        return one_line(str(error))
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        return str(needs_extra("this", extra)) if extra else None
    if isinstance(error, ImportError) and not (error.name or "").startswith("facetell"):
        return f"a library cannot be loaded ({one_line(str(error))}); `facetell doctor` lists which"
    # EIO: the terminal is closed.
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE, errno.EIO):
        return f"cannot write its output: {error.strerror}"
    if isinstance(error, OSError) and error.filename and error.errno in (errno.ENAMETOOLONG, errno.EACCES):
        return f"{one_line(str(error.filename))} cannot be opened: {error.strerror}; check the name and its permissions"
    return None


def _run(argv: list[str], called: str) -> int:
    if called not in VERBS:
        groups = (
            f"{name}:\n" + "".join(f"  {verb:10}{text}\n" for verb, text in of.items()) for name, of in GROUPS.items()
        )
        parser = Parser(
            prog="facetell",
            usage="facetell VERB ... (or a VIDEO, as in `facetell detect VIDEO`)",
            description="Estimate whether a face in a video is real or forged.",
            epilog="\n".join(groups) + f"\nfacetell VERB --help lists the options of a verb.\n{COMPLETION}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_common(parser)
        if not called:
            parser.parse_args(argv)
        parser.error(f"'{called}' is neither a verb nor a file{_closest(called, VERBS)}" if called else "give a verb")
    parser = Parser(prog=f"facetell {called}", description=VERBS[called][0].upper() + VERBS[called][1:])
    module = importlib.import_module(f"facetell.cli.{called}")
    module.add_arguments(parser)
    add_common(parser)
    argv.remove(called)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        hint = _closest(unknown[0].partition("=")[0], parser._option_string_actions)
        if not hint and os.path.lexists(unknown[0]):
            hint = f": write the name of the file as ./{unknown[0]}"
        parser.error(f"'{unknown[0]}' is not an argument of this verb{hint}")
    from facetell.cli.progress import Bar

    Bar.quiet, Bar.verbose = args.quiet, args.verbose
    return int(module.run(args))


def _complete() -> None:
    """Print the completions that a shell asks for, and exit."""
    import argcomplete

    parser = argparse.ArgumentParser("facetell")
    add_common(parser)
    verbs = parser.add_subparsers()
    for verb, summary in VERBS.items():
        one = verbs.add_parser(verb, help=summary)
        if verb in os.environ["COMP_LINE"].split():
            importlib.import_module(f"facetell.cli.{verb}").add_arguments(one)
            add_common(one)
    argcomplete.autocomplete(parser)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of all verbs, which may stand before the verb or after it."""
    parser.add_argument("-V", "--version", action="version", version=f"facetell {__version__}")
    add = partial(parser.add_argument, action="store_true")
    add("-q", "--quiet", help="no progress; with detect, no table and no warnings")
    add("-v", "--verbose", help="progress also where there is no terminal; tracebacks")


def _closest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f": did you mean '{close[0]}'?" if close else ""


def _write(stream: TextIO, text: str = "") -> None:
    """Write and flush; what a closed terminal or a full disk does not take is dropped, also when Python exits."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
