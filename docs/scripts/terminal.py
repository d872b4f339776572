"""`docs/pictures/terminal.svg`: a real run in a terminal, recorded and drawn as an animated SVG.

A shell and Python run behind a pseudo-terminal; what is typed is in `SESSION`. pyte keeps the screen. Frames are the
screen every now and then, one below the other on a strip that moves behind the window; without animation, and for those
who prefer less motion, the strip shows the last frame. The photos are cut out of `docs/pictures/photo.jpg`.

Needs the Python package in the Python that runs this. The command is the one that `INLAID_BIN` names, else that of the
package.
"""

import os
import pty
import random
import select
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from html import escape
from itertools import groupby
from pathlib import Path

import drawing
import pyte
from PIL import Image

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
COLUMNS, ROWS = 80, 17
# Where the parts of the photo are that become its classes: x and y of their middle.
CLASSES = {"ear": (365, 40), "eye": (170, 115), "nose": (265, 205)}
PHOTOS, COPIES, SIZE = 80, 15, (500, 375)
SESSION = [
    ("$ ", "inlaid convert photos --out dataset --size 224"),
    ("$ ", "python -q"),
    (">>> ", "import inlaid"),
    (">>> ", 'train = inlaid.open("dataset")["train"]'),
    (">>> ", "train"),
    (">>> ", "train[0].shape, train[0].dtype"),
    (">>> ", "batches = train.batches(64, shuffle=True)"),
    (">>> ", 'next(iter(batches))["image"].shape'),
]

KEY, FRAME, PAUSE, END = 0.035, 0.2, 0.7, 6.0
CELL_WIDTH, CELL_HEIGHT, MARGIN, BAR = 8.4, 19, 16, 30
COLORS = {"default": "#e6edf3", "green": "#56d364", "red": "#ff7b72", "cyan": "#76e3ea", "blue": "#79c0ff"}


def make_photos(folder):
    """Parts of the photo, and links to each, so that there are enough to see a bar."""
    chance = random.Random(0)
    photo = Image.open(PICTURES / "photo.jpg")
    for name, (x, y) in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(PHOTOS):
            width = chance.randrange(80, 160)
            left = min(max(x + chance.randrange(-20, 20) - width // 2, 0), photo.width - width)
            top = min(max(y + chance.randrange(-20, 20) - width * 3 // 8, 0), photo.height - width * 3 // 4)
            part = photo.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + width * 3 // 4))
            file = folder / name / f"{number:04}.jpg"
            part.save(file, quality=90)
            for copy in range(1, COPIES):
                os.link(file, folder / name / f"{number + copy * PHOTOS:04}.jpg")


class Recording:
    """A shell behind a pseudo-terminal, and what its screen showed when."""

    def __init__(self, folder):
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.frames = []
        self.begin = time.monotonic()
        (folder / "bin").mkdir()
        if binary := os.environ.get("INLAID_BIN"):
            (folder / "bin/inlaid").symlink_to(Path(binary).resolve())
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            path = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
            environment = {"PATH": path, "PS1": "$ ", "TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": str(folder)}
            environment |= {"PYTHON_BASIC_REPL": "1", "INPUTRC": "/dev/null", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def watch(self, seconds):
        """Takes what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                self.stream.feed(os.read(self.terminal, 65536))

    def keep(self):
        rows = [self._row(number) for number in range(ROWS)]
        if not self.frames or self.frames[-1][1] != rows:
            self.frames.append((time.monotonic() - self.begin, rows))

    def _row(self, number):
        """Runs of characters of one color."""
        cells = [self.screen.buffer[number][column] for column in range(COLUMNS)]
        runs, column = [], 0
        for (color, bold), run in groupby(cells, lambda cell: (cell.fg, cell.bold)):
            characters = "".join(cell.data for cell in run)
            runs.append((column, characters, color, bold))
            column += len(characters)
        return tuple(run for run in runs if run[1].strip())

    def wait_for(self, prompt, most=120):
        end = time.monotonic() + most
        while time.monotonic() < end:
            self.watch(FRAME)
            self.keep()
            if self.screen.display[self.screen.cursor.y].rstrip() == prompt.rstrip():
                return
        raise TimeoutError(f"no prompt {prompt!r}:\n" + "\n".join(self.screen.display))

    def type(self, words):
        for key in words:
            os.write(self.terminal, key.encode())
            self.watch(KEY)
            self.keep()
        self.watch(PAUSE / 2)
        os.write(self.terminal, b"\r")

    def end(self):
        """Leaves Python and the shell."""
        os.write(self.terminal, b"\x04")
        self.wait_for("$ ")
        os.write(self.terminal, b"\x04")
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def record():
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder, "photos"))
        recording = Recording(Path(folder))
        for prompt, words in SESSION:
            recording.wait_for(prompt)
            recording.watch(PAUSE)
            recording.type(words)
        recording.wait_for(SESSION[-1][0])
        frames = list(recording.frames)
        recording.end()
        return frames


def drawn_row(runs):
    """A row at y = 0; blocks are drawn, so that they leave no gaps in any font."""
    parts = []
    for column, characters, color, bold in runs:
        for kind, group in groupby(enumerate(characters), lambda pair: pair[1] if pair[1] in "█░" else ""):
            group = list(group)
            first, word = column + group[0][0], "".join(character for _, character in group)
            x, width = MARGIN + first * CELL_WIDTH, len(word) * CELL_WIDTH
            if kind:
                fill = "#4c9be8" if kind == "█" else "#30363d"
                parts.append(f'<rect x="{x:.1f}" y="4" width="{width:.1f}" height="12" fill="{fill}"/>')
                continue
            stripped = word.rstrip()
            if not stripped:
                continue
            x, stripped = x + (len(stripped) - len(stripped.lstrip())) * CELL_WIDTH, stripped.lstrip()
            fill = f' fill="{COLORS.get(color, COLORS["default"])}"' if color != "default" else ""
            weight = ' font-weight="600"' if bold else ""
            length = f' textLength="{len(stripped) * CELL_WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
            attributes = f'x="{x:.1f}" y="15" xml:space="preserve"{length}{fill}{weight}'
            parts.append(f"<text {attributes}>{escape(stripped)}</text>")
    return "".join(parts)


def svg(frames):
    width, height = round(COLUMNS * CELL_WIDTH + 2 * MARGIN), ROWS * CELL_HEIGHT + BAR + MARGIN
    step = ROWS * CELL_HEIGHT
    rows, strip = {}, []
    for number, (_, frame) in enumerate(frames):
        for line, runs in enumerate(frame):
            if runs:
                name = rows.setdefault(runs, f"r{len(rows)}")
                strip.append(f'<use href="#{name}" y="{number * step + line * CELL_HEIGHT}"/>')
    first, last = frames[0][0], frames[-1][0]
    whole = last - first + END
    keys = [
        f"{100 * (at - first) / whole:.2f}%{{transform:translateY({-number * step}px)}}"
        for number, (at, _) in enumerate(frames)
    ]
    shown = -(len(frames) - 1) * step
    css = (
        f"text{{font-family:{drawing.MONO};font-size:14px;fill:{COLORS['default']};white-space:pre}}"
        f"#strip{{transform:translateY({shown}px);animation:play {whole:.1f}s step-end infinite}}"
        f"@keyframes play{{{''.join(keys)}100%{{transform:translateY({shown}px)}}}}"
        "@media (prefers-reduced-motion:reduce){#strip{animation:none}}"
    )
    colors = enumerate(["#ff5f57", "#febc2e", "#28c840"])
    dots = [f'<circle cx="{20 + 18 * n}" cy="16" r="5.5" fill="{color}"/>' for n, color in colors]
    defined = [f'<g id="{name}">{drawn_row(runs)}</g>' for runs, name in rows.items()]
    window = f'y="{BAR}" width="{width}" height="{step}" viewBox="0 0 {width} {step}"'
    parts = [
        drawing.head(width, height, "A terminal: inlaid converts a folder of photos, and Python opens the dataset"),
        f"<style>{css}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117" stroke="#30363d"/>{"".join(dots)}',
        f"<defs>{''.join(defined)}</defs>",
        f'<svg {window}><g id="strip">{"".join(strip)}</g></svg>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (PICTURES / "terminal.svg").write_text(svg(record()))
