"""The jigsaw attack on block scrambling and pixel shuffling."""
