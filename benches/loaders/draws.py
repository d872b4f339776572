"""What is drawn at random: by the loaders, and here for those that can't."""

import math
import os
import random

# Of a crop: its share of the area, and its width over its height.
AREA = (0.08, 1.0)
ASPECT = (3 / 4, 4 / 3)
# Draws until a crop is inside the image; then the greatest in the centre.
ATTEMPTS = 10
FLIP = 0.5


def order(files):
    """The paths and labels in random order."""
    return random.Random(os.urandom(8)).sample(files, len(files))


def crop(height, width):
    """(top, left, height, width) of a random crop, as torchvision draws it."""
    for _ in range(ATTEMPTS):
        area = height * width * random.uniform(*AREA)
        aspect = math.exp(random.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            return random.randint(0, height - high), random.randint(0, width - wide), high, wide
    high, wide = min(height, round(width / ASPECT[0])), min(width, round(height * ASPECT[1]))
    return (height - high) // 2, (width - wide) // 2, high, wide


def flip():
    """Whether to flip an image."""
    return random.random() < FLIP
