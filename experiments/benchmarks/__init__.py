"""Measurements of speed: everything that is compared is timed in turns within one run, and reported as ratios."""

from benchmarks.timing import Row, compare

__all__ = ["Row", "compare"]
