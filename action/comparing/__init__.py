"""Comparisons and ablations of recognisers: their runs, controls and tables."""
