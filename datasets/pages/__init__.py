"""Shared parts of the commands' local pages: a server for this machine alone, frame, style."""
