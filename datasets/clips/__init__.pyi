from .sets import FORMATS as FORMATS
from .sets import LISTS as LISTS
from .sets import ClipSet as ClipSet
from .sets import get_format as get_format
from .sets import open_clip_set as open_clip_set
from .sets import protocol_parts as protocol_parts
from .sets import read_keypoints as read_keypoints
