"""Grids of runs behind `align.compare` and `align.ablate`."""
