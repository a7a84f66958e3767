"""The task Pick in PyBullet, and the parts that other PyBullet worlds share."""
