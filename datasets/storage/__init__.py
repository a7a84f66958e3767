"""The files of a data set of episodes: episodes, index, meta.json, seals, and their checks."""
