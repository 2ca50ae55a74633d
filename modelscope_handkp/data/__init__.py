"""Annotation files and metrics."""
