"""Schemes judged: a stranger's scheme through all measurements and attacks, and claims as data with their leaderboard.

`program` and what it uses load everything; `claims`, `tables` and `page` load no torch.
"""
