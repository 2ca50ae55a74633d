"""Training and evaluation with ModelScope: its trainer, and the data set, metric and hooks that configurations name."""
