"""Hold a live run within its limits and out of loops, and stop it where it may not go on.

``stopping`` stands at the seam and asks each guard of a run; ``guards`` decides, by the checks of ``harness check`` fed
from ``watching``, and by what ``budgets`` and ``ledger`` say of a call before it is made; ``ladder`` notes, nudges or
stops. ``refusing`` is what one gets who wants a stop raised; ``written`` reads guards as people write them.
"""
