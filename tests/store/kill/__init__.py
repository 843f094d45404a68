"""Kill writers and ingesters at random and inside every phase, and show that nothing is lost, doubled or corrupt.

``python -m tests.store.kill --kills 300`` runs the long form and prints its account.
"""
