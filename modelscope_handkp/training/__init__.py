"""Training in plain torch: learning rates, data loaders, processes, random states, checkpoint files."""
