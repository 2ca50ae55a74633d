"""Models that leave this package: networks as graphs, and a description that a caller in any language can follow."""
