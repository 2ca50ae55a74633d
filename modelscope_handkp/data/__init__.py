"""Annotation files, the data sets made from them, and metrics."""
