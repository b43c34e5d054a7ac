"""The results that need a GPU, as jobs that are done in slices of time: see `paper_scale.py`."""
