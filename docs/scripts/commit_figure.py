"""`docs/pictures/commit.svg`: the steps of a commit, and what a crash at each of them means."""

from pathlib import Path

import drawing
from drawing import arrow, box, line, lines, text

PICTURE = Path(__file__).resolve().parents[1] / "pictures/commit.svg"
WIDTH, HEIGHT = 880, 316

STEPS = [
    ("1  stage", ["write and sync shard,", "rejects, card and", "manifest, all below", ".inlaid/staging-*"], "c"),
    ("2  journal", ["name every rename", "and removal; sync,", "then rename it to", ".inlaid/journal.json"], "d"),
    ("3  rename", ["shard, rejects, card", "into place;", "inlaid.json last"], "c"),
    ("4  remove", ["files that the new", "snapshot does not", "have; sync folders"], "c"),
    ("5  done", ["remove the journal"], "e"),
]

BEFORE = ["The dataset is unchanged: the next writer", "drops the staged files."]
AFTER = [
    "The next writer carries out the rest of the journal. Until then every",
    "file is whole: either the old one or the new one.",
]
BELOW = [
    "One writer at a time holds .inlaid/lock; readers need no lock. A run commits each shard as soon as it is",
    "finished, so a run that was killed resumes after its last commit.",
]


def svg():
    parts = [text(20, 34, "A commit", "ink title")]
    width, gap, x = 150, 22, 20
    for number, (name, words, fill) in enumerate(STEPS):
        parts.append(box(x, 52, width, 106, f"{fill} edge"))
        parts.append(text(x + 12, 74, name, "ink bold"))
        parts += lines(x + 12, 95, 16, words, "ink small")
        if number + 1 < len(STEPS):
            parts.append(arrow((x + width + 3, 100), (x + width + gap - 3, 100)))
        x += width + gap
    point = 20 + 2 * width + gap + gap / 2
    parts.append(line((point, 44), (point, 262), dashed=True))
    parts.append(text(point + 6, 44, "the commit is made here", "soft small"))
    left, right = (20, point - 8), (point + 8, 20 + 5 * width + 4 * gap)
    for (start, end), head, words in [(left, "killed before", BEFORE), (right, "killed after", AFTER)]:
        parts.append(line((start, 180), (start, 172), (end, 172), (end, 180)))
        parts.append(text(start + 12, 200, head, "ink bold"))
        parts += lines(start + 12, 221, 17, words, "ink small")
    parts += lines(20, 286, 16, BELOW, "soft small")
    return drawing.figure(WIDTH, HEIGHT, "The steps of a commit, and what a crash at each of them means", parts)


if __name__ == "__main__":
    PICTURE.write_text(svg())
