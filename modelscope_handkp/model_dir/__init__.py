"""What lies in a model directory, on disk or on the hub."""
