"""Cameras of real rigs: calibrations in the formats of others."""
