"""Videos of one task, seen by cameras that were not started together, aligned by a trained run."""
