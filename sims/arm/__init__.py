"""Parts that all worlds with a robot arm share: its links, meshes and scripted motions."""
