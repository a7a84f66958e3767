"""What is on disk: episodes seen from many views, their cameras, keypoints and skeletons."""
