"""Publishing a model directory on ModelScope's hub: `publish.prepare` checks it and writes its card, `Publication.send`
sends it."""
