import numpy as np

invertible, linear, isometry = True, "bytes", "bytes"


def encrypt(image, key):
    random = np.random.default_rng(key[0])
    return random.permutation(image.reshape(-1) // 2 * 2).reshape(image.shape)


def decrypt(image, key):
    order = np.random.default_rng(key[0]).permutation(image.size)
    return image.reshape(-1)[np.argsort(order)].reshape(image.shape)
