"""What the operator set: the one table of options, the typed result, and how both come about."""
