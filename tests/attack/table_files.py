"""Files that are cut, emptied, overwritten, moved or locked, for every command that reads them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.reading import Read, rows_of
from tests.attack.rows import Row

RUN = ("run", "dots")
CLIP_RUN = ("clip_run", "squares")
# A clip to test on, and its poses.
VIDEO = "squares/rgb/S001C001P003R001A001_rgb.avi"
POSES = "squares/skeletons/S001C001P003R001A001.skeleton"
SMALL = "--epochs 1 --backbone.depth 1 --batch.times 6 --out new"
SMALL_CLIPS = "--epochs 1 --backbone.depth 1 --backbone.image-size 32 --out new"

# Commands that read episodes, and how.
OF_EPISODES = {
    "datasets.info": "dots",
    "datasets.convert": "dots out --to ftpv",
    "align.train": f"--data dots {SMALL}",
}
OF_RUNS = {
    "align.evaluate": "run",
    "align.analyze": "run",
    "align.report": "run",
    "align.view": "run --export page.html",
}
OF_CLIPS = {
    "datasets.info": "squares --format ntu",
    "datasets.cache": "squares out --format ntu --size 32 --workers 1",
    "action.train": f"--data mocap --root squares {SMALL_CLIPS}",
    "action.evaluate": "clip_run",
}
OF_CLIP_RUNS = {
    "action.evaluate": "clip_run",
    "action.analyze": "clip_run",
    "action.retrieve": "clip_run",
    "action.train": "--resume clip_run --epochs 2",
}


def reads() -> Iterator[Read]:
    """Every pair of a file and a command that reads it."""
    for command, words in OF_EPISODES.items():
        for place in ("meta.json", "dots.hdf5", "episodes/000000.hdf5"):
            yield Read(f"dots/{place}", command, words, ("dots",))
    for command, words in OF_RUNS.items():
        yield Read("run/config.json", command, words, RUN)
        yield Read("dots/episodes/000003.hdf5", command, words, RUN)
    for command, words in list(OF_RUNS.items())[:2]:
        yield Read("run/checkpoints/best.safetensors", command, words, RUN)
    for place in ("evaluation/test.json", "evaluation/test_embeddings.safetensors", "metrics.csv"):
        yield Read(f"run/{place}", "align.report", "run", RUN)
    for place in ("config.json", "checkpoints/last.safetensors"):
        words = "--resume run --epochs 2"
        yield Read(f"run/{place}", "align.train", words, RUN, ("missing",) * ("last" in place))
    for command in ("align.compare", "align.ablate"):
        words = f"--data dots --seeds 0 {SMALL}"
        yield Read("dots/meta.json", command, words, ("dots",))
    for command, words in OF_CLIPS.items():
        needs = CLIP_RUN if "clip_run" in words else ("squares",)
        absent = ("missing", "folder instead")  # a clip that no folder lists
        # Subject 1 is for training, subject 3 for testing.
        name = f"S001C001P00{1 if 'train' in command else 3}R001A001"
        yield Read(f"squares/rgb/{name}_rgb.avi", command, words, needs, absent)
        yield Read(f"squares/skeletons/{name}.skeleton", command, words, needs, absent)
    yield Read("squares/mocap.json", "action.train", OF_CLIPS["action.train"], ("squares",))
    for command, words in OF_CLIP_RUNS.items():
        yield Read("clip_run/config.json", command, words, CLIP_RUN)
        which = "last" if command == "action.train" else "best"
        place = f"clip_run/checkpoints/{which}.safetensors"
        yield Read(place, command, words, CLIP_RUN, ("missing",) * (which == "last"))
    for place in ("clip_run/config.json", "clip_run/checkpoints/best.safetensors", VIDEO, POSES):
        yield Read(place, "action.predict", f"clip_run {VIDEO} --poses {POSES}", CLIP_RUN)
    features = "clip_run/evaluation/CS_test.safetensors"
    words = f"--query.features {features} --gallery.features {features}"
    yield Read(features, "action.retrieve", words, CLIP_RUN)
    for place in (
        "robomimic.hdf5",
        "ftpv/tr_0000/fpv/000000.jpg",
        "lerobot/meta/info.json",
        "lerobot/data/chunk-000/file-000.parquet",
        "lerobot/videos/observation.images.ego/chunk-000/file-000.mp4",
        "videos/000001/view_0.mp4",
    ):
        source = place.partition("/")[0]
        words = f"{source} out --to episodes --split 1,1,1"
        yield Read(place, "datasets.convert", words, (source,))
        yield Read(place, "datasets.info", source, (source,))
    yield Read("demos.hdf5", "sims.replay", "--demos demos.hdf5 --out new", ("demos.hdf5",))


def file_rows() -> Iterator[Row]:
    """A row for every such pair and every fault of a file."""
    yield from rows_of(reads())
