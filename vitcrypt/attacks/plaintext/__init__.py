"""Known and chosen plaintext attacks."""
