"""API dumps: what was sent to a provider and what came back, in files for people (spec 1.7, decision 23)."""
