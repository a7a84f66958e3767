"""How a data set of episodes lies on disk: files, index, meta.json, seals, checks."""
