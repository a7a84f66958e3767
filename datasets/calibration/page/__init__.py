"""The local page on which links of a robot are clicked, to find the cameras of recordings."""
