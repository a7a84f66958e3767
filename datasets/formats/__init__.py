"""Reads and writes episodes in the formats of others."""
