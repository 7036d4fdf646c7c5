"""The way to providers over HTTP/1.1: a small client of our own (docs/performance.md, "Why a client of our own")."""
