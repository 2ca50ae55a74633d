"""Hands -> drawings and files."""
