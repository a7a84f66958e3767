"""Training of recognisers: the task, its losses, stages, published recipes, and initial weights."""
