"""The back end `blocks`: a world of blocks, drawn with Panda3D's software renderer."""
