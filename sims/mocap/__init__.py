"""People who act out motion-capture clips, written as action data sets."""
