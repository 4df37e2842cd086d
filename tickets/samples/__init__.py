"""
Sample data as a team of testers would have it: `texts` makes it up, `rows` writes it.

Everything follows from a seed and a place (`test 7`, `run 3 of test 7`), so that any part can be
made without those before it, and the same seed gives the same data.
"""
