"""Decisions: which rules are in force, why a question was answered as it was, and whether one would be answered."""
