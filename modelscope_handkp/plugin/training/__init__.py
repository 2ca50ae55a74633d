"""ModelScope's trainer and what it names."""
