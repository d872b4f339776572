"""Contact sheets in a terminal: a real one on the other side of a pseudo-terminal, of 80 columns."""

import base64
import fcntl
import io
import os
import re
import struct
import subprocess
import termios

import numpy as np
import pyte
import pytest
from PIL import Image

COLORS = {"blue": (10, 10, 200), "green": (10, 200, 10), "red": (200, 10, 10)}


@pytest.fixture(scope="module")
def colors(inlaid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("colors")
    for name, color in COLORS.items():
        (folder / "src" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (30 + number, 30), color).save(folder / "src" / name / f"{number}.png")
    inlaid("convert", folder / "src", "--out", folder / "d", "--size", 64, "--row-group-bytes", 30000)
    return folder / "d"


def shown(inlaid_path, dataset, *arguments, columns=80, **variables):
    """What the command writes to a terminal."""
    read, write = os.openpty()
    fcntl.ioctl(write, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    known = {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    command = [inlaid_path, "show", dataset, *map(str, arguments)]
    child = subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, env=known | variables)
    os.close(write)
    text = b""
    try:
        while part := os.read(read, 65536):
            text += part
    except OSError:
        pass  # how a terminal says that its other side is closed
    assert child.communicate()[1] == b"" and child.returncode == 0
    return text.decode()


def test_blocks_are_pictures_above_their_texts(inlaid_path, colors):
    text = shown(inlaid_path, colors, "-n", 3, COLORTERM="truecolor")
    screen = pyte.Screen(80, 40)
    pyte.Stream(screen).feed(text)
    lines = screen.display
    # A picture is 24 columns wide, and two pixels are in a character.
    assert all(line[column] == "▀" for line in lines[:12] for column in (0, 23, 26, 49, 52, 75))
    assert lines[12].split() == ["blue", "green", "red"]
    assert re.fullmatch(r"blue/\d\.png +green/\d\.png +red/\d\.png", lines[13].strip())
    for column, color in zip((12, 38, 64), COLORS.values(), strict=True):
        character = screen.buffer[5][column]
        assert [character.fg, character.bg] == ["{:02x}{:02x}{:02x}".format(*color)] * 2


def test_narrow_terminals_have_fewer_pictures_in_a_line(inlaid_path, colors):
    text = shown(inlaid_path, colors, "0-1", columns=40, COLORTERM="truecolor")
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in text.splitlines()) == 24
    assert text.count(".png") == 2


def test_terminals_of_256_colors_get_those(inlaid_path, colors):
    text = shown(inlaid_path, colors, "--class", "red", "-n", 1)
    assert "38;5;160" in text and "38;2;" not in text


@pytest.mark.parametrize(
    ("variables", "pattern"),
    [
        ({"TERM": "xterm-kitty"}, r"(?:\x1b_G[^;]*;([\w+/=]*)\x1b\\)+"),
        (
            {"TERM_PROGRAM": "iTerm.app"},
            r"\x1b\]1337;File=inline=1;size=\d+;width=76;preserveAspectRatio=1:([\w+/=]*)\x07",
        ),
    ],
)
def test_other_terminals_get_files(inlaid_path, colors, variables, pattern):
    text = shown(inlaid_path, colors, "-n", 3, **variables)
    found = re.search(pattern, text)
    encoded = "".join(re.findall(r"\x1b_G[^;]*;([\w+/=]*)\x1b\\", text)) or found[1]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))
    wide = pixels.shape[1]
    for part, color in zip((12, 38, 64), COLORS.values(), strict=True):
        assert np.abs(pixels[pixels.shape[0] // 2, wide * part // 76].astype(int) - color).max() < 6
    assert "▀" not in text and "green" in text


def test_names_do_not_control_the_terminal(inlaid, inlaid_path, tmp_path):
    (tmp_path / "src" / "a\x1b[31mred").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "src" / "a\x1b[31mred" / "b\x07.png")
    inlaid("convert", tmp_path / "src", "--out", tmp_path / "d", "--size", 8)
    text = shown(inlaid_path, tmp_path / "d")
    assert "a\\u{1b}[31mred" in text and "\x07" not in text
