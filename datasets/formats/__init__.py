"""The action data sets: their names, labels, protocols and skeleton files."""
