"""Everyday actions of the humanoid, composed of poses of its clips and inverse kinematics."""
