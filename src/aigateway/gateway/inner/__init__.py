"""Tools that the gateway adds to requests, and the turns in which it makes the calls itself (data-plane spec 14)."""
