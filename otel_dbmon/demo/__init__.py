"""Shows the main job in real: a shop that knows nothing of us, traffic, and whatever left the shop's process."""
