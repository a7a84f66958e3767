"""Time reading training samples of NTU's 1920x1080 videos against the copy of `datasets.cache`.

Run: python tests/benchmarks/bench_decoding.py

The videos are made here: a figure that walks over a noisy room, 100 frames each, once as H.264
with key frames far apart and once as MPEG-4 in AVI, which is what NTU's own are. The two readers
take turns in one thread; time is the processor's, so that a busy machine does not matter.
"""

import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from measuring import Row, note
from measuring import times as ratio_of

from datasets.cache import cache_clip
from datasets.clips.ntu import Ntu
from datasets.clips.samples import SampleConfig, load_sample
from datasets.clips.sets import open_clip_set

HEIGHT, WIDTH, FRAMES, FPS = 1080, 1920, 100, 30
CLIPS = 2
ROUNDS = 3
SIZES = (320, 256)
CODECS = {"H.264": ("libx264", {"crf": "20", "g": "250"}), "MPEG-4": ("mpeg4", {"q:v": "4"})}


def main() -> None:
    """Print clips a second of processor time of each reader, and the ratio."""
    for title, (codec, options) in CODECS.items():
        with tempfile.TemporaryDirectory() as folder:
            compare(title, codec, options, Path(folder))


def compare(title: str, codec: str, options: dict[str, str], folder: Path) -> None:
    """Make the videos and their copies, and time both in turns."""
    for subject in range(1, CLIPS + 1):
        write_walk(folder / "original", subject, codec, options)
    sets = {"original": open_clip_set(folder / "original", "ntu").clips}
    for size in SIZES:
        start = time.process_time()
        for clip in sets["original"]:
            assert cache_clip(clip, folder / str(size), size) is None
        spent = (time.process_time() - start) / CLIPS
        sets[f"cached {size}"] = open_clip_set(folder / str(size), "ntu").clips
        print(f"{title}: caching at {size} takes {spent:.2f} s a clip, once")
    config = SampleConfig(frames=16, stride=4)
    rates: dict[str, list[float]] = {name: [] for name in sets}
    for seed in range(ROUNDS):
        for name, clips in sets.items():
            rng = np.random.default_rng(seed)
            start = time.process_time()
            for clip in clips:
                load_sample(clip, config, rng)
            rates[name].append(CLIPS / (time.process_time() - start))
    base = statistics.median(rates.pop("original"))
    for name, values in rates.items():
        files = [clip.video.stat().st_size for clip in sets[name]]
        rate = statistics.median(values)
        note(
            Row(
                f"clips a second, 16 frames every 4th cut to 224, {name}",
                f"{title} of {WIDTH} × {HEIGHT} as it comes",
                ratio_of(rate / base),
                f"{rate:.2f} against {base:.2f}; {sum(files) / len(files) / 1e6:.2f} MB a clip",
            )
        )


def write_walk(folder: Path, subject: int, codec: str, options: dict[str, str]) -> None:
    """Write a video and its skeleton: a figure that walks, over a room with the camera's noise."""
    ntu = Ntu()
    clip = ntu.identify(Path(f"S001C001P{subject:03d}R001A001_rgb.avi"))
    assert clip is not None
    rng = np.random.default_rng(subject)
    room = rng.integers(40, 200, (27, 48, 3), np.uint8).repeat(40, axis=0).repeat(40, axis=1)
    joints = rng.uniform((-60, -200), (60, 200), (25, 2))
    centres = np.array([960, 540]) + np.outer(np.linspace(-150, 150, FRAMES), (1, 0))
    ntu.write_keypoints(
        folder / ntu.skeleton_name(clip), (centres[:, None] + joints).astype(np.float32), WIDTH
    )
    path = folder / ntu.video_name(clip)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, Fraction(FPS), options=options)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.max_b_frames = 0
        noise = rng.integers(0, 12, room.shape, np.uint8)
        for x, y in centres.astype(int):
            picture = room + np.roll(noise, int(x), axis=1)
            picture[y - 200 : y + 200, x - 60 : x + 60] = (180, 60, 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
