from .from_arrays import finish_data_set as finish_data_set
from .from_arrays import write_episode as write_episode
