"""Keypoints of a robot from its joints: forward kinematics, cameras, what hides what, checks."""
