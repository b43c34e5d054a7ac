"""Image classification on encrypted images.

The owner of the images encrypts them with a secret key; a server that nobody trusts trains and predicts on them and
never sees key or image. The system is that of Qi, MaungMaung, Kinoshita and Kiya, "Privacy-Preserving Image
Classification Using Vision Transformer" (EUSIPCO 2022), together with the schemes and networks it is compared with.
"""

__version__ = "0.2.0"
