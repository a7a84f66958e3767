"""Inputs of a network: batches for training, views, moments, augmentation, and motion."""
