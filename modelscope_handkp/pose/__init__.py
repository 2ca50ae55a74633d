"""Boxes -> crops -> heatmaps -> keypoints."""
