"""Model directories that can be published, and a hub."""

from publishing_hub import hub, model_dir, publishable

__all__ = ["hub", "model_dir", "publishable"]
