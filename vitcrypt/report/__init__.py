"""Records of runs, and the tables and pictures made from them. This room imports no torch."""
