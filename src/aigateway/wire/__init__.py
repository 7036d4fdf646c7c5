"""What the bytes mean: pure functions and sans-io observers, no I/O, no clock, no settings."""
