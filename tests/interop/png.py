"""Writes PNG files of every kind that the specification allows (ISO/IEC 15948), and says which 8-bit
RGBA pixels they stand for. Pillow writes few of these kinds."""

import struct
import zlib

import numpy as np

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GRAY: [1, 2, 4, 8, 16], RGB: [8, 16], PALETTE: [1, 2, 4, 8], GRAY_ALPHA: [8, 16], RGB_ALPHA: [8, 16]}

# First column and row, and the steps to the next ones, of each pass of Adam7.
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(width, height, depth=8, color_type=RGB, interlaced=False):
    fields = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", fields)


def packed(row, depth):
    """A row of samples as bytes, the first sample in the highest bits."""
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()


def scanlines(samples, depth):
    return b"".join(b"\0" + packed(row.reshape(-1), depth) for row in samples)


def encode(samples, depth, color_type, interlaced=False, palette=None, transparency=b""):
    """The file of `samples`, an array of height, width and channels."""
    height, width, _ = samples.shape
    out = header(width, height, depth, color_type, interlaced)
    if palette is not None:
        out += chunk(b"PLTE", palette.tobytes())
    if transparency:
        out += chunk(b"tRNS", transparency)
    pieces = [samples[y::down, x::right] for x, y, right, down in PASSES] if interlaced else [samples]
    lines = b"".join(scanlines(piece, depth) for piece in pieces if piece.size)
    return out + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def rgba(samples, depth, color_type, palette=None, transparency=b""):
    """What the file of the same arguments shows: RGBA of 8 bits."""
    height, width, _ = samples.shape
    alpha = np.full((height, width, 1), 255, np.uint8)
    if color_type == PALETTE:
        entries = np.frombuffer(transparency, np.uint8)
        alphas = np.concatenate([entries, np.full(256 - len(entries), 255, np.uint8)])
        return np.concatenate([palette[samples[..., 0]], alphas[samples]], axis=2)
    if transparency:
        key = np.frombuffer(transparency, ">u2")
        alpha = np.where((samples == key).all(axis=2, keepdims=True), 0, 255).astype(np.uint8)
    eight = to_eight_bits(samples, depth)
    if color_type in (GRAY_ALPHA, RGB_ALPHA):
        eight, alpha = eight[..., :-1], eight[..., -1:]
    if eight.shape[2] == 1:
        eight = np.repeat(eight, 3, axis=2)
    return np.concatenate([eight, alpha], axis=2)


def to_eight_bits(samples, depth):
    if depth == 16:
        return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return (samples * (255 // (2**depth - 1))).astype(np.uint8)
