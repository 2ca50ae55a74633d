"""Anything a user passes -> images."""
