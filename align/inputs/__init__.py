"""What a network sees: batches for training, views, moments, augmentation, and motion."""
