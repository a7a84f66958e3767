"""Behaviour cloning with robomimic on frozen embeddings, images or states."""
