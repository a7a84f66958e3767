"""What the local pages of commands share: a server for this machine alone, their frame, style."""
