"""What the worlds with a robot arm share: its links, its meshes, its scripted motions."""
