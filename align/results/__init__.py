"""Reads what runs measured and makes tables of it: means, spread, paired tests, studies."""
