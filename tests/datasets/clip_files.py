"""Small files in the forms of the action data sets, written without the code under test."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, FPS = 48, 64, 25
BRIGHTNESS = 4
"""Frame t of a video is grey of this times t, so that its colour gives its index."""


def write_grey_video(path, frames=12, codec="mpeg4", size=(HEIGHT, WIDTH), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, Fraction(FPS), options=options)
        stream.height, stream.width = size
        stream.bit_rate = 8_000_000
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for t in range(frames):
            picture = np.full((*size, 3), BRIGHTNESS * t, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def cut_out(video, out, first, last):
    """Copies the packets of frames `first` to `last`, from the key frame before, as in
    `ffmpeg -ss … -c copy`."""
    with av.open(str(video)) as whole, av.open(str(out), "w") as part:
        stream = whole.streams.video[0]
        copy = part.add_stream_from_template(stream)
        step = round(1 / (stream.time_base * FPS))
        packets = [packet for packet in whole.demux(stream) if packet.size]
        keys = [packet.pts for packet in packets if packet.is_keyframe]
        begin = max(key for key in keys if key <= first * step)
        for packet in packets:
            if begin <= packet.pts <= last * step:
                packet.pts -= first * step
                packet.dts -= first * step
                packet.stream = copy
                part.mux(packet)
    return out


def cut_short(video):
    """Ends a grey AVI of 60 frames where no frame is broken: what is left can be decoded."""
    content = video.read_bytes()
    video.write_bytes(content[: content.rindex(b"00dc", 0, len(content) * 7 // 10)])
    return video


def frame_numbers(pictures):
    return [round(float(picture.mean()) / BRIGHTNESS) for picture in pictures]


def make_poses(joints, frames=12, seed=0, size=(HEIGHT, WIDTH)):
    """A person who moves a little to the right every frame, (T, K, 2) in pixels."""
    rng = np.random.default_rng(seed)
    height, width = size
    body = rng.uniform((0.2 * width, 0.2 * height), (0.6 * width, 0.8 * height), (joints, 2))
    way = np.linspace(0, 0.2 * width, frames)[:, None, None] * np.array([1.0, 0.0])
    return body + way


def ntu_text(frames, newline="\n"):
    """`.skeleton` text of the persons of each frame, pixels of a 1920x1080 video."""
    lines = [str(len(frames))]
    for persons in frames:
        lines.append(str(len(persons)))
        for number, person in enumerate(persons):
            lines += [f"{72057594037931101 + number} 0 1 1 1 1 0 0.0167 -0.0544 2", "25"]
            for x, y in person:
                lines.append(f"0.2181 0.1725 3.785 277.4 191.8 {x!r} {y!r} -0.24 0.08 0.96 -0.03 2")
    return newline.join(lines) + newline


def pose_json(frames, joints, **extra):
    """Smarthome's JSON of the persons of each frame: all x, then all y, then all z."""
    return json.dumps(
        {
            **extra,
            "njts": joints,
            "frames": [
                [
                    {
                        "pose2d": [*person[:, 0].tolist(), *person[:, 1].tolist()],
                        "pose3d": [0.5] * (3 * joints),
                    }
                    for person in persons
                ]
                for persons in frames
            ],
        }
    )


def write_openpose(folder: Path, frames, points=18):
    """A folder of one JSON a frame; persons are (18, 2), or (25, 2) for BODY_25."""
    folder.mkdir(parents=True)
    for t, persons in enumerate(frames):
        people = []
        for person in persons:
            confidence = np.where((person == 0).all(axis=1), 0.0, 0.9)
            values = np.column_stack([person, confidence]).reshape(-1)
            assert len(values) == 3 * points
            people.append({"pose_keypoints_2d": values.tolist(), "face_keypoints_2d": []})
        name = f"{folder.name}_{t:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def add_ntu(root, name, frames=12, pose=True):
    """One clip of NTU, its video 1/30 of the original's width."""
    write_grey_video(root / "rgb" / f"{name}_rgb.avi", frames)
    if pose:
        persons = make_poses(25, frames)[:, None] * (1920 / WIDTH)
        path = root / "skeletons" / f"{name}.skeleton"
        path.parent.mkdir(exist_ok=True)
        path.write_text(ntu_text(persons.tolist()))


def add_smarthome(root, name, frames=12, pose=True):
    write_grey_video(root / "mp4" / f"{name}.mp4", frames, "libx264")
    if pose:
        path = root / "skeletonv12" / f"{name}_pose3d.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(pose_json(make_poses(13, frames)[:, None], 13, K=[1.0]))


def add_nucla(root, action, view, subject, execution=0, frames=12):
    stem = f"v{view:02d}_s{subject:02d}_e{execution:02d}"
    folder = root / "multiview_action_videos" / f"a{action:02d}"
    write_grey_video(folder / f"{stem}.avi", frames)
    write_openpose(folder / stem, make_poses(18, frames)[:, None])
