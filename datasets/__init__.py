"""Data on disk: episodes seen from many views, with their cameras, keypoints and skeletons."""
