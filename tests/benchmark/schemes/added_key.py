import numpy as np

linear = isometry = False


def encrypt(image, key):
    return image + np.resize(np.frombuffer(key, np.uint8), image.shape)


def decrypt(image, key):
    return image - np.resize(np.frombuffer(key, np.uint8), image.shape)
