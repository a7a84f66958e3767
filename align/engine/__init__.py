"""The training loop and what runs share; it knows no task, and imports nothing else of `align`."""
