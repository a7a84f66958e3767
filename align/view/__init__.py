"""A local page to look through the alignments of an episode, or of plain videos."""
