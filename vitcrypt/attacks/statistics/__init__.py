"""Attacks on statistics of many ciphertexts."""
