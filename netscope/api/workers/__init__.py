"""Processes that trace for this one: the client that asks, the server that answers, and a pool of them."""
