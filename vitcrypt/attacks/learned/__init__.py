"""Attacks that train a network: GAN and ITN."""
