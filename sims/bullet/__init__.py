"""Pick, in PyBullet."""
