"""Training without ModelScope: plain torch."""
