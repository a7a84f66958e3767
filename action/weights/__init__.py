"""The public Kinetics weights of TimeSformer and Motionformer, from their published files."""

from action.weights.loading import load_pretrained

__all__ = ["load_pretrained"]
