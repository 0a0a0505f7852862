"""Developer scripts: `python -m tools.messages` and so on. Nothing here is part of the product."""
