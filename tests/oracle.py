"""A slow second implementation of every scheme, in literal loops: it shares no code with the package."""

import hashlib
import io
from statistics import NormalDist

import numpy as np
from PIL import Image

CHANNEL_ORDERS = ["RGB", "RBG", "GRB", "GBR", "BRG", "BGR"]


def plain(image, subkeys, block_size):
    return image.copy()


def pe(image, subkeys, block_size):
    negation = subkeys["negation"]
    codes = subkeys.get("channel_permutation")
    _, height, width = image.shape
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            pixel = {}
            for channel, letter in enumerate("RGB"):
                value = int(image[channel, row, column])
                pixel[letter] = 255 - value if negation[channel, row, column] else value
            order = "RGB" if codes is None else CHANNEL_ORDERS[int(codes[row, column])]
            for channel in range(3):
                out[channel, row, column] = pixel[order[channel]]
    return out


def le(image, subkeys, block_size):
    permutation = [int(entry) for entry in subkeys["nibble_permutation"]]
    inversion = [bool(entry) for entry in subkeys["nibble_inversion"]]
    out = np.zeros_like(image)
    for top, left in _corners(image, block_size):
        values = _flatten(image, top, left, block_size)
        _unflatten(_scramble_nibbles(values, permutation, inversion), out, top, left, block_size)
    return out


def ele(image, subkeys, block_size):
    corners = _corners(image, block_size)
    scrambled = []
    for number, (top, left) in enumerate(corners):
        permutation = [int(entry) for entry in subkeys["nibble_permutation"][number]]
        inversion = [bool(entry) for entry in subkeys["nibble_inversion"][number]]
        values = _flatten(image, top, left, block_size)
        scrambled.append(_scramble_nibbles(values, permutation, inversion))
    out = np.zeros_like(image)
    for number, (top, left) in enumerate(corners):
        _unflatten(scrambled[int(subkeys["block_permutation"][number])], out, top, left, block_size)
    return out


def etc(image, subkeys, block_size):
    corners = _corners(image, block_size)
    changed = []
    for number, (top, left) in enumerate(corners):
        symmetry = int(subkeys["symmetry"][number])
        planes = {}
        for channel, letter in enumerate("RGB"):
            plane = image[channel, top : top + block_size, left : left + block_size]
            plane = np.rot90(plane, symmetry % 4)
            if symmetry >= 4:
                plane = np.fliplr(plane)
            if subkeys["negation"][number]:
                plane = 255 - plane
            planes[letter] = plane
        order = CHANNEL_ORDERS[int(subkeys["channel_permutation"][number])]
        changed.append([planes[order[channel]] for channel in range(3)])
    out = np.zeros_like(image)
    for number, (top, left) in enumerate(corners):
        source = changed[int(subkeys["block_permutation"][number])]
        for channel in range(3):
            for row in range(block_size):
                for column in range(block_size):
                    out[channel, top + row, left + column] = source[channel][row, column]
    return out


def proposed(image, subkeys, block_size):
    alpha = subkeys["block_permutation"]
    beta = subkeys["pixel_permutation"]
    channels = image.shape[0]
    corners = _corners(image, block_size)
    half = block_size // 2
    out = np.zeros_like(image)
    for number, (top, left) in enumerate(corners):
        source_top, source_left = corners[int(alpha[number])]
        for down in (0, half):
            for right in (0, half):
                for k in range(half * half):
                    source_row, source_column = divmod(int(beta[k]), half)
                    row, column = divmod(k, half)
                    for channel in range(channels):
                        out[channel, top + down + row, left + right + column] = image[
                            channel, source_top + down + source_row, source_left + right + source_column
                        ]
    return out


def etc_jpeg(image, subkeys, block_size, quality=80):
    file = io.BytesIO()
    encrypted = Image.fromarray(np.ascontiguousarray(etc(image, subkeys, block_size).transpose(1, 2, 0)))
    encrypted.save(file, format="jpeg", quality=quality, subsampling="4:4:4")
    return np.asarray(Image.open(file)).transpose(2, 0, 1).copy()


def grayscale_etc(image, subkeys, block_size):
    _, height, width = image.shape
    gray = np.zeros((1, height, 3 * width), dtype=np.uint8)
    for row in range(height):
        for column in range(width):
            red, green, blue = (float(value) for value in image[:, row, column])
            luma = 0.299 * red + 0.587 * green + 0.114 * blue
            gray[0, row, column] = _nearest(luma)
            gray[0, row, width + column] = _nearest(128 + (blue - luma) / 1.772)
            gray[0, row, 2 * width + column] = _nearest(128 + (red - luma) / 1.402)
    corners = _corners(gray, block_size)
    changed = []
    for number, (top, left) in enumerate(corners):
        symmetry = int(subkeys["symmetry"][number])
        block = np.rot90(gray[0, top : top + block_size, left : left + block_size], symmetry % 4)
        block = np.fliplr(block) if symmetry >= 4 else block
        changed.append(255 - block if subkeys["negation"][number] else block)
    out = np.zeros_like(gray)
    for number, (top, left) in enumerate(corners):
        out[0, top : top + block_size, left : left + block_size] = changed[int(subkeys["block_permutation"][number])]
    return out


def pevit_rs(image, subkeys, block_size):
    corners = _corners(image, block_size)
    out = np.zeros_like(image)
    for number, (top, left) in enumerate(corners):
        up, west = corners[int(subkeys["block_permutation"][number])]
        out[:, top : top + block_size, left : left + block_size] = image[
            :, up : up + block_size, west : west + block_size
        ]
    return out


def pixelise(image, subkeys, block_size):
    return noise(image, None, block_size)


def noise(image, subkeys, block_size, sigma=32.0):
    out = np.zeros_like(image)
    for top, left in _corners(image, block_size):
        for channel in range(image.shape[0]):
            block = image[channel, top : top + block_size, left : left + block_size]
            mean = sum(float(value) for value in block.flatten()) / block_size**2
            if subkeys is not None:
                mean += sigma * float(subkeys["noise"][channel, top // block_size, left // block_size])
            out[channel, top : top + block_size, left : left + block_size] = _nearest(mean)
    return out


def _nearest(value):
    return int(min(255, max(0, np.floor(value + 0.5))))


def _corners(image, block_size):
    _, height, width = image.shape
    return [(top, left) for top in range(0, height, block_size) for left in range(0, width, block_size)]


def _flatten(image, top, left, block_size):
    values = []
    for row in range(block_size):
        for column in range(block_size):
            for channel in range(image.shape[0]):
                values.append(int(image[channel, top + row, left + column]))  # noqa: PERF401
    return values


def _unflatten(values, out, top, left, block_size):
    remaining = iter(values)
    for row in range(block_size):
        for column in range(block_size):
            for channel in range(out.shape[0]):
                out[channel, top + row, left + column] = next(remaining)


def _scramble_nibbles(values, permutation, inversion):
    nibbles = [value % 16 for value in values] + [value // 16 for value in values]
    scrambled = []
    for j in range(len(nibbles)):
        nibble = nibbles[permutation[j]]
        scrambled.append(15 - nibble if inversion[j] else nibble)
    return [scrambled[t] + 16 * scrambled[t + len(values)] for t in range(len(values))]


def horio(image, subkeys, block_size):
    def order(kind):
        places = list(range(len(subkeys[f"{kind}_choice"])))
        among = [int(place) for place in subkeys[f"{kind}_permutation"]]
        moving = [int(place) for place in subkeys[f"{kind}_choice"]][len(places) - len(among) :]
        for i, place in enumerate(moving):
            places[place] = moving[among[i]]
        return places

    corners, blocks, values = _corners(image, block_size), order("block"), order("value")
    out = np.zeros_like(image)
    for number, (top, left) in enumerate(corners):
        block = _flatten(image, *corners[blocks[number]], block_size)
        _unflatten([block[place] for place in values], out, top, left, block_size)
    return out


def orthogonal(image, subkeys, block_size):
    turned = _gram_schmidt(subkeys["gaussian"])
    out = np.zeros(image.shape, dtype=np.float32)
    for top, left in _corners(image, block_size):
        block = [(2 * value - 255) / 255 for value in _flatten(image, top, left, block_size)]
        _unflatten([float(row @ np.array(block)) for row in turned], out, top, left, block_size)
    return out


def neuracrypt(image, subkeys, block_size):
    tokens = []
    for top, left in _corners(image, block_size):
        block = np.array([(2 * value - 255) / 255 for value in _flatten(image, top, left, block_size)])
        made = (subkeys["first"] @ block + subkeys["bias"]) / len(block) ** 0.5
        tokens.append([max(0.0, value) for value in made])
    for weight in subkeys["hidden"]:
        made = [weight @ np.array(token) / len(token) ** 0.5 for token in tokens]
        for channel in range(len(weight)):
            values = [token[channel] for token in made]
            mean = sum(values) / len(values)
            deviation = (sum((value - mean) ** 2 for value in values) / len(values) + 1e-5) ** 0.5
            for token in made:
                token[channel] = max(0.0, (token[channel] - mean) / deviation)
        tokens = made
    wide = len(subkeys["last"])
    placed = [np.maximum(0, token + at) for token, at in zip(tokens, subkeys["position"], strict=True)]
    ends = [subkeys["last"] @ token / wide**0.5 for token in placed]
    rows, columns = image.shape[1] // block_size, image.shape[2] // block_size
    out = np.zeros((wide, rows, columns), dtype=np.float32)
    for place, source in enumerate(subkeys["block_permutation"]):
        out[:, place // columns, place % columns] = ends[int(source)]
    return out


def features(image, subkeys, block_size, clip=1.0, sigma=0.5):
    """Means of blocks, less those of the image, shortened to the norm `clip`, turned, and with noise."""
    means = []
    for top, left in _corners(image, block_size):
        block = image[:, top : top + block_size, left : left + block_size].astype(float)
        means.append([(2 * sum(map(float, channel.flat)) / block_size**2 - 255) / 255 for channel in block])
    vector = (np.array(means) - np.mean(means, axis=0)).flatten()
    vector *= min(1.0, clip / max(1e-12, sum(vector**2) ** 0.5))
    secret = bytes(int("".join(str(int(bit)) for bit in byte[::-1]), 2) for byte in subkeys["noise"].reshape(32, 8))
    stream = hashlib.shake_256(secret + hashlib.sha256(image.tobytes()).digest()).digest(8 * len(vector))
    words = [int.from_bytes(stream[i : i + 8], "little") % 2**53 for i in range(0, len(stream), 8)]
    noise = [NormalDist().inv_cdf((word + 0.5) / 2**53) for word in words]
    made = _gram_schmidt(subkeys["gaussian"]) @ vector + sigma * np.array(noise)
    return made.astype(np.float32)[:, None, None]


def _gram_schmidt(gaussian):
    """Make the columns orthonormal, one after another, each with the direction that it has."""
    columns = []
    for column in gaussian.T:
        rest = column.copy()
        for other in [*columns, *columns]:  # twice: rounding
            rest = rest - (other @ rest) * other
        columns.append(rest / (rest @ rest) ** 0.5)
    return np.array(columns).T
