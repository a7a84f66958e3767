"""Makes many episodes: processes or a cluster, resuming, replacing workers that die."""
