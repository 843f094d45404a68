"""What the loop checks share: how a message is read, what of it is new, and what comes back without anything new."""
