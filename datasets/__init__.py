"""Data on disk: episodes seen from many views, with their cameras, keypoints and skeletons.

`__init__.pyi` lists the names of the package itself, which write a data set from arrays; their
module is imported when one is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
