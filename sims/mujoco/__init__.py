"""MuJoCo: drawing and visibility, and worlds from scene files and from Gymnasium."""
