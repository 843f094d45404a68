"""Judge a set-up before anything is asked of a model: its red lines, and how long its conversation may go on.

What a model says is taken to be the worst it could say, so a bound holds for every model. The numbers come from what
the framework counts (replies, rounds, turns, iterations) and never from what anybody says.
"""
