"""Pose-aware vision transformers: models, losses, metrics and training for video alignment."""
