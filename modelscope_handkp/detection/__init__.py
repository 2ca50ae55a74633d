"""Images -> boxes of hands."""
