"""Boxes and affine maps."""
