"""Trained runs as they were stored: their plan, their data, and what they can be used for."""
