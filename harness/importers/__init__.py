"""Read files of other tools as runs, one file a kind: what they tell becomes our own spans, parts and links.

An importer only reads; ``keeping`` writes what it found through a journal, whole runs at a time, and keeps the account.
"""
