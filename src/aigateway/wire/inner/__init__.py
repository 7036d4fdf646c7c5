"""Turns that take several answers of the provider, told to the client as one: the bytes of it, and nothing else.

Of the model's calls some are the gateway's to make. They are held back, and their results are fed back, until the model
is done (data-plane spec 9 to 11 and 14).
"""
