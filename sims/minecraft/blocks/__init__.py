"""The back end that draws a blocky world with Panda3D's software renderer."""
