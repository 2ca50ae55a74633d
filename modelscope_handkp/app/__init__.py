"""A page in the browser: images, videos and a camera in, hands and gestures out. Gradio shows it."""

from .limits import Limits
from .models import Models
from .server import running, serve

__all__ = ["Limits", "Models", "running", "serve"]
