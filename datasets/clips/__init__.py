"""Labelled clips of action data sets: Smarthome, NTU RGB+D, N-UCLA and sets with their layouts.

    clips = open_clip_set("NTU", "ntu")
    parts = clips.split("CVS3")
    keypoints = read_keypoints(parts["train"][0])

`__init__.pyi` lists the public names; a name's module is imported when the name is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
