"""The way of one request, a named step a file; `endpoint.py` runs them in order."""
