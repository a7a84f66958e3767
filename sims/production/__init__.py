"""Production of many episodes: processes or a cluster, resuming, workers that die."""
