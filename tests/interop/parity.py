"""Resizes as the libraries do that `--resize-like` names: arrays of height, width and channels, bytes or floats, to
arrays of the same kind (TensorFlow: to floats)."""

import cv2
import numpy as np
import tensorflow as tf
import torch
from PIL import Image
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


def pillow(pixels, height, width, filter):
    def resize(array):
        return np.asarray(Image.fromarray(array).resize((width, height), PILLOW[filter]))

    if pixels.dtype == np.float32:
        return by_channel(resize, pixels)
    if pixels.shape[2] == 1:
        return resize(pixels[..., 0])[..., None]
    return resize(pixels)


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
