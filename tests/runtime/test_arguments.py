"""Misspelt options are named, and what was meant."""

import re

import pytest

from wt_jax.runtime.arguments import ArgumentParser


@pytest.fixture
def parser():
    parser = ArgumentParser(prog="command")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--no_video", action="store_true")
    parser.add_argument("--workers", type=int)
    return parser


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--checkpiont", "x"], "unknown option --checkpiont; did you mean --checkpoint?"),
        (["--checkpoint=x", "--no-video"], "unknown option --no-video; did you mean --no_video?"),
        (["--checkpoint", "x", "--zzz"], "unknown option --zzz; --help lists the options"),
        ([], "the following arguments are required: --checkpoint; --help lists the options"),
        (["--checkpoint", "x", "--workers", "two"], "argument --workers: invalid int value: 'two'; --help"),
        (["--checkpoint", "x", "file"], "unrecognized arguments: file; --help"),
    ],
)
def test_errors(parser, argv, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parser.parse_args(argv)


def test_what_is_right_is_taken(parser):
    args = parser.parse_args(["--check", "x", "--workers=2"])  # the beginning of a name will do
    assert (args.checkpoint, args.workers, args.no_video) == ("x", 2, False)
