"""Resizes as the libraries do that `--resize-like` names: arrays of height, width and channels, bytes or floats, to
arrays of the same kind (TensorFlow: to floats). And draws sizes to compare them at."""

import math
import random
from dataclasses import dataclass

import cv2
import numpy as np
import tensorflow as tf
import torch
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, v2

R = Image.Resampling
PILLOW = {"nearest": R.NEAREST, "bilinear": R.BILINEAR, "bicubic": R.BICUBIC, "lanczos3": R.LANCZOS, "box": R.BOX}
M = InterpolationMode
TORCHVISION = {"nearest": M.NEAREST, "bilinear": M.BILINEAR, "bicubic": M.BICUBIC, "lanczos3": M.LANCZOS}
OPENCV = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}
TF = {name: name for name in ("nearest", "bilinear", "bicubic", "lanczos3", "area")}


def by_channel(resize, pixels):
    """For libraries that don't take all arrays of several channels."""
    return np.stack([resize(np.ascontiguousarray(channel)) for channel in np.moveaxis(pixels, 2, 0)], axis=2)


def by_image(resize, pixels):
    """What a function of Pillow's images makes of an array."""

    def of_array(array):
        return np.asarray(resize(Image.fromarray(array)))

    if pixels.dtype == np.float32 or pixels.shape[2] == 1:
        return by_channel(of_array, pixels)
    return of_array(pixels)


def pillow(pixels, height, width, filter):
    return by_image(lambda image: image.resize((width, height), PILLOW[filter]), pixels)


def torchvision(pixels, height, width, filter):
    # PyTorch 2.15 refuses to make one pixel of several channels, and means nothing by floats that are or become one
    # pixel wide: lying on their side they are right.
    if pixels.shape[1] == 1:
        pixels = pixels.repeat(2, axis=1)
    if pixels.dtype == np.float32 and width == 1 < height:
        return torchvision(pixels.swapaxes(0, 1), width, height, filter).swapaxes(0, 1)

    def resize(array):
        tensor = torch.from_numpy(array)[None]
        return v2.functional.resize(tensor, [height, width], TORCHVISION[filter], antialias=True)[0].numpy()

    return by_channel(resize, pixels)


def opencv(pixels, height, width, filter):
    h, w = pixels.shape[:2]
    covered = h * w // (height * width)
    if filter == "area" and pixels.dtype == np.uint8 and covered * 255 >= 2**31:
        # OpenCV 5.0 adds bytes in 32 bits.
        return np.rint(opencv(pixels.astype(np.float64), height, width, filter)).astype(np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=OPENCV[filter]).reshape(height, width, -1)


def tensorflow(pixels, height, width, filter, antialias=False):
    resized = tf.image.resize(pixels, (height, width), TF[filter], antialias=antialias)
    return resized.numpy().astype(np.float32)


def tensorflow_antialiased(pixels, height, width, filter):
    return tensorflow(pixels, height, width, filter, antialias=True)


# What is called, the filters by name, and the function.
LIBRARIES = {
    "tf": ("`tf.image.resize`", TF, tensorflow),
    "tf-antialias": ("`tf.image.resize(antialias=True)`", TF, tensorflow_antialiased),
    "pillow": ("`PIL.Image.resize`", PILLOW, pillow),
    "torchvision": ("`v2.functional.resize(antialias=True)`", TORCHVISION, torchvision),
    "opencv": ("`cv2.resize`", OPENCV, opencv),
}


# Fits


def keras_crop(pixels, height, width, filter):
    """`smart_resize`, whose window is that of `image_dataset_from_directory`."""
    if filter == "area":
        # Which Keras does not offer.
        return cut(tensorflow)(pixels, height, width, filter)
    floats = pixels.astype(np.float32)
    return tf.keras.preprocessing.image.smart_resize(floats, (height, width), interpolation=TF[filter])


def tf_pad(pixels, height, width, filter, antialias=False):
    return tf.image.resize_with_pad(pixels, height, width, TF[filter], antialias=antialias).numpy().astype(np.float32)


def tf_pad_antialiased(pixels, height, width, filter):
    return tf_pad(pixels, height, width, filter, antialias=True)


def pillow_fit(pixels, height, width, filter):
    return by_image(lambda image: ImageOps.fit(image, (width, height), PILLOW[filter]), pixels)


def pillow_pad(pixels, height, width, filter):
    return by_image(lambda image: ImageOps.pad(image, (width, height), PILLOW[filter]), pixels)


def cut(resize):
    """The largest centered window of the target's aspect ratio, resized: Keras' window for any library."""

    def of_pixels(pixels, height, width, filter):
        h, w = pixels.shape[:2]
        window_height, window_width = max(min(h, w * height // width), 1), max(min(w, h * width // height), 1)
        top, left = (h - window_height) // 2, (w - window_width) // 2
        window = pixels[top : top + window_height, left : left + window_width]
        return resize(np.ascontiguousarray(window), height, width, filter)

    return of_pixels


def padded(resize):
    """The whole image on black, as long and wide as fits, in whole pixels rounded down."""

    def of_pixels(pixels, height, width, filter):
        h, w = pixels.shape[:2]
        wide = w * height >= h * width
        fit_height, fit_width = (h * width // w, width) if wide else (height, w * height // h)
        resized = resize(pixels, fit_height, fit_width, filter)
        return centered(resized, height, width)

    return of_pixels


def covering(resize):
    """The `Resize` and `CenterCrop` of torchvision for any library; where the target is not square, the shorter side is
    the one that needs the larger scale."""

    def of_pixels(pixels, height, width, filter):
        h, w = pixels.shape[:2]
        wide = w * height >= h * width
        resized = resize(pixels, *((height, w * height // h) if wide else (h * width // w, width)), filter)
        top, left = round((resized.shape[0] - height) / 2), round((resized.shape[1] - width) / 2)
        return resized[top : top + height, left : left + width]

    return of_pixels


def centered(pixels, height, width):
    """The center of an image at the center of a black one."""
    h, w = pixels.shape[:2]
    cut_top, cut_left = (h - min(h, height)) // 2, (w - min(w, width)) // 2
    kept = pixels[cut_top:, cut_left:][:height, :width]
    top, left = (height - kept.shape[0]) // 2, (width - kept.shape[1]) // 2
    canvas = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
    canvas[top : top + kept.shape[0], left : left + kept.shape[1]] = kept
    return canvas


def only_shrunk(resize):
    """Each side by itself, where it is longer than the target's; the others are kept."""

    def of_pixels(pixels, height, width, filter):
        h, w = pixels.shape[:2]
        return centered(resize(pixels, min(h, height), min(w, width), filter), height, width)

    return of_pixels


def resize_and_center_crop(pixels, height, width, filter, ratio=1):
    """The two of torchvision itself, which are for square targets."""
    if height != width or pixels.shape[1] == 1:
        return covering(torchvision)(pixels, height, width, filter)

    def resize(array):
        shorter = v2.Resize(int(height / ratio), TORCHVISION[filter])
        return v2.Compose([shorter, v2.CenterCrop((height, width))])(torch.from_numpy(array)[None])[0].numpy()

    return by_channel(resize, pixels)


OWN_FITS = {
    ("tf", "crop"): keras_crop,
    ("tf", "pad"): tf_pad,
    ("tf-antialias", "pad"): tf_pad_antialiased,
    ("pillow", "crop"): pillow_fit,
    ("pillow", "pad"): pillow_pad,
    ("torchvision", "shortest-side"): resize_and_center_crop,
}
ANY_FITS = {"crop": cut, "pad": padded, "shortest-side": covering, "only-shrink": only_shrunk}
FITS = {
    "stretch": (),
    "crop": ("--fit", "crop"),
    "pad": ("--fit", "pad"),
    "shortest-side": ("--fit", "shortest-side"),
    "only-shrink": ("--only-shrink",),
}


def fitted(like, fit):
    """The function that resizes with this fit: the library's own, or its `resize` of the window in `docs/pixels.md`."""
    resize = LIBRARIES[like][2]
    return resize if fit == "stretch" else OWN_FITS.get((like, fit)) or ANY_FITS[fit](resize)


# Draws


@dataclass(frozen=True)
class Draw:
    """Sources of many sizes for one target; a size is a height and a width."""

    target: tuple[int, int]
    fit: str
    channels: int
    sources: list[tuple[int, int]]


# Of datasets, and of what models take.
COMMON = [(28, 28), (32, 32), (64, 64), (96, 96), (128, 128), (160, 160), (192, 192), (224, 224), (256, 256)]
COMMON += [(299, 299), (384, 384), (512, 512), (218, 178), (250, 250), (300, 400), (333, 500), (360, 480), (375, 500)]
COMMON += [(427, 640), (480, 640), (240, 320), (150, 100), (100, 75), (48, 48), (105, 105), (450, 600), (600, 800)]
CAMERAS = [(1024, 1024), (720, 1280), (768, 1024), (1080, 1920), (1200, 1600), (1536, 2048), (1365, 2048), (2160, 3840)]
CAMERAS += [(2448, 3264), (4032, 3024), (4000, 6000)]
# One pixel, rows, columns, extreme ratios; where what OpenCV rounds decides, both sides alike or not.
PINNED = [(1, 1), (1, 37), (41, 1), (2, 3), (300, 4), (3, 257), (97, 61), (400, 400), (200, 400), (36, 492), (1, 1243)]
TARGETS = [(224, 224), (28, 28), (1, 1), (53, 1), (96, 96), (7, 129), (128, 128), (1, 1000)]
# One after the other; `stretch` meets every ratio of both sides.
DRAWN_FITS = ["stretch", "stretch", "crop", "stretch", "pad", "stretch", "shortest-side", "stretch", "only-shrink"]
# Pixels of all targets of a draw, and of one source that is no camera's: what takes time.
MOST_TARGET_PIXELS, MOST_SOURCE_PIXELS = 1_500_000, 400_000


def draws(seed, pairs):
    """So many different pairs of a source and a target, the same for the same seed."""
    rng = random.Random(seed)
    cameras, targets = rng.sample(CAMERAS, len(CAMERAS)), list(TARGETS)
    made = []
    while pairs > 0:
        fit = DRAWN_FITS[len(made) % len(DRAWN_FITS)]
        channels = 3 if len(made) % 3 == 1 else 1
        target = targets.pop(0) if fit == "stretch" and targets else drawn_target(rng, fit)
        count = min(pairs, max(20, min(220, MOST_TARGET_PIXELS // (target[0] * target[1] * channels))))
        sizes = [*PINNED, *([cameras.pop()] if channels == 1 and cameras else [])]
        sources = {size: None for size in sizes if fits(fit, size, target)}
        while len(sources) < count:
            size = drawn_source(rng, target)
            if fits(fit, size, target):
                sources[size] = None
        made.append(Draw(target, fit, channels, list(sources)))
        pairs -= count
    return made


def drawn_target(rng, fit):
    if rng.random() < 0.3:
        return rng.choice([size for size in COMMON if max(size) <= 256])
    # Fits of a few pixels have few sources that the libraries take.
    least = 1 if fit == "stretch" else 16
    return any_length(rng, least, 200), any_length(rng, least, 200)


def drawn_source(rng, target):
    while True:
        draw = rng.random()
        if draw < 0.3:
            size = any_length(rng, 1, 500), any_length(rng, 1, 500)
        elif draw < 0.45:
            size = tuple(side * rng.randint(1, 8) for side in target)
        elif draw < 0.8:
            size = tuple(fraction(rng, side) for side in target)
        elif draw < 0.9:
            size = tuple(max(1, side + rng.randint(-3, 3)) for side in target)
        else:
            size = rng.choice(COMMON)
            size = size if rng.random() < 0.7 else size[::-1]
        if size[0] * size[1] <= MOST_SOURCE_PIXELS:
            return size


def any_length(rng, least, most):
    """Short lengths more often than long ones."""
    return round(math.exp(rng.uniform(math.log(least), math.log(most))))


def fraction(rng, side):
    """A length in a ratio of small whole numbers to a side, so that pixels of both begin in the same places."""
    divisor = rng.choice([n for n in range(1, side + 1) if side % n == 0])
    return side // divisor * rng.randint(1, 3 * divisor)


def fits(fit, size, target):
    """Whether libraries take the size: some refuse, or leave out, what becomes less than a pixel long."""
    (h, w), (height, width) = size, target
    ratio = (w * height) / (h * width)
    return fit in ("stretch", "only-shrink") or max(ratio, 1 / ratio) <= min(16, height, width, h, w)
