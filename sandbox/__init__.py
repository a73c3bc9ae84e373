"""The outside world, played: a synthetic province, its government log-in, a bank and the story they tell.

Separate processes that speak HTTP with the hub. Neither imports the other.
"""
