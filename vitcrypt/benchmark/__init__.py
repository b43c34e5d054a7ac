"""Claims about schemes as data, and the leaderboard that is made from them. This room imports no torch."""
