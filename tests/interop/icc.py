"""Writes small ICC profiles (ISO 15076-1, version 2): a matrix and a tone curve, or a tone curve alone."""

import struct

# Red, green and blue of Display P3 and of Adobe RGB, as seen under D50 (Bradford), by columns X, Y, Z.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
WHITE = (0.96420, 1.0, 0.82491)


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def curve(values):
    """A gamma, or 16-bit samples of the curve."""
    if isinstance(values, float):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(values * 256)) + b"\0\0"
    data = b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)
    return data + b"\0" * (-len(data) % 4)


def srgb_curve():
    linear = (n / 1023 for n in range(1024))
    return [round(65535 * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)) for v in linear]


def profile(space, tags):
    body, table, at = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    text = struct.pack(">I", at + len(body)) + b"\0\0\0\0\2\x40\0\0mntr" + space + b"XYZ " + b"\0" * 12
    text += b"acsp" + b"\0" * 28 + struct.pack(">3i", *(round(value * 65536) for value in WHITE))
    return text + b"\0" * (128 - len(text)) + struct.pack(">I", len(tags)) + table + body


def described(tags):
    name = b"test\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + b"\0" * 78
    return {b"desc": description + b"\0" * (-len(description) % 4), b"wtpt": xyz(WHITE)} | tags


def rgb(colorants, tone):
    columns = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, colorants), strict=True))
    return profile(b"RGB ", described(columns | {name: curve(tone) for name in (b"rTRC", b"gTRC", b"bTRC")}))


def gray(tone):
    return profile(b"GRAY", described({b"kTRC": curve(tone)}))
