"""`docs/pictures/commit.svg`: the steps of a commit, and what a crash at each of them means."""

from pathlib import Path

import drawing
from drawing import arrow, box, line, text

PICTURE = Path(__file__).resolve().parents[1] / "pictures/commit.svg"
WIDTH, HEIGHT = 880, 316

STEPS = [
    ("1  stage", ["write and sync shard,", "rejects, card and", "manifest, all below", ".inlaid/staging-*"], "c"),
    ("2  journal", ["name every rename", "and removal; sync,", "then rename it to", ".inlaid/journal.json"], "d"),
    ("3  rename", ["shard, rejects, card", "into place;", "inlaid.json last"], "c"),
    ("4  remove", ["files that the new", "snapshot does not", "have; sync folders"], "c"),
    ("5  done", ["remove the journal"], "e"),
]


def svg():
    parts = [text(20, 34, "A commit", "ink title")]
    width, gap, x = 150, 22, 20
    for number, (name, lines, fill) in enumerate(STEPS):
        parts.append(box(x, 52, width, 106, f"{fill} edge"))
        parts.append(text(x + 12, 74, name, "ink bold"))
        parts += [text(x + 12, 95 + 16 * row, words, "ink small") for row, words in enumerate(lines)]
        if number + 1 < len(STEPS):
            parts.append(arrow((x + width + 3, 100), (x + width + gap - 3, 100)))
        x += width + gap
    point = 20 + 2 * width + gap + gap / 2
    parts.append(line((point, 44), (point, 262), dashed=True))
    parts.append(text(point + 6, 44, "the commit is made here", "soft small"))
    left, right = (20, point - 8), (point + 8, 20 + 5 * width + 4 * gap)
    for (start, end), head, lines in [
        (left, "killed before", ["The dataset is unchanged: the next writer", "drops the staged files."]),
        (right, "killed after", ["The next writer carries out the rest of the journal. Until then every", "file is whole: either the old one or the new one."]),
    ]:
        parts.append(line((start, 180), (start, 172), (end, 172), (end, 180)))
        parts.append(text(start + 12, 200, head, "ink bold"))
        parts += [text(start + 12, 221 + 17 * row, words, "ink small") for row, words in enumerate(lines)]
    parts.append(text(20, 286, "One writer at a time holds .inlaid/lock; readers need no lock. A run commits each shard as soon as it is finished,", "soft small"))
    parts.append(text(20, 302, "so a run that was killed resumes after its last commit.", "soft small"))
    return drawing.figure(WIDTH, HEIGHT, "The steps of a commit, and what a crash at each of them means", parts)


if __name__ == "__main__":
    PICTURE.write_text(svg())
