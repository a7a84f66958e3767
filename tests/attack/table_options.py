"""Options out of range, unknown names, and options that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.rows import Row

TRAIN = "--data dots --epochs 1 --out new"
MORE_THAN_THERE_ARE = "99"
# Bad values that the error names in another way.
NAMED = {"--backbone.image-size 33": "33 x 33", "--test-subjects 99": "test_subjects"}
CLIPS = "--data mocap --root squares --epochs 1 --out new"

# Command, its other words, what it needs; then the bad options, each with what the error names.
OPTIONS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "align.train",
        TRAIN,
        ("dots",),
        (
            "--epochs 0",
            "--epochs -3",
            "--epochs many",
            "--seed -1",
            "--seed 9223372036854775808",
            "--optim.lr 0",
            "--optim.lr -1e-3",
            "--optim.lr nan",
            "--optim.lr inf",
            "--optim.clip-norm -1",
            "--optim.weight-decay -1",
            "--optim.warmup 2",
            "--optim.accumulate 0",
            "--optim.patience -1",
            "--optim.name adamww",
            "--optim.schedule cosin",
            "--batch.times 1",
            "--batch.times 0",
            "--batch.episodes 0",
            "--batch.views -1",
            "--batch.views 99",
            "--batch.flip 2",
            "--batch.augment.crop -1",
            "--batch.augment.crop 1",
            "--batch.augment.brightness -1",
            "--loss.window -1",
            "--loss.window 1000",
            "--loss.temperature 0",
            "--loss.margin -1",
            "--loss.name contrastiv",
            "--backbone.depth 0",
            "--backbone.depth 1000000000",
            "--backbone.drop-path 1.5",
            "--backbone.name deit_tiny_patch16_225",
            "--backbone.name resnet1x8",
            "--backbone.pretrained",
            "--image-size 0",
            "--image-size 7",
            "--train-views 0",
            "--train-views 99",
            "--train-episodes 0",
            "--train-episodes 99",
            "--validate-every 0",
            "--workers -1",
            "--views ego view_9",
            "--method paba",
            "--pose paba",
            "--protocol unsen",
            "--precision fp8",
            "--recipe fast",
            "--pose-map.noise -1",
            "--pose-map.dilation -1",
            "--paat-loss.weight -1",
            "--method paab --paab.positions 99",
            "--init nowhere",
            "--train-on nowhere",
            "--epoch 3",
        ),
    ),
    (
        "action.train",
        CLIPS,
        ("squares",),
        (
            "--epochs 0",
            "--seed -1",
            "--seed 9223372036854775808",
            "--optim.lr nan",
            "--optim.clip-norm -1",
            "--batch.clips 0",
            "--batch.flip -1",
            "--backbone.image-size 0",
            "--backbone.image-size 33",
            "--backbone.frames 0",
            "--backbone.stride 0",
            "--backbone.depth 0",
            "--backbone.heads 5",
            "--backbone.dim 0",
            "--backbone.weights nowhere.pyth",
            "--valid-share 1.5",
            "--valid-share -1",
            "--max-bad-share 2",
            "--protocol CVS9",
            "--test-subjects 99",
            "--lists nowhere",
            "--validate-every 0",
            "--workers -1",
            "--method pab",
            "--data ntuu",
            "--root nowhere",
            "--init nowhere",
        ),
    ),
    ("align.train", "--out new --epochs 1", (), ("--data nowhere", "--resume nowhere")),
    ("align.train", "--resume run", ("run", "dots"), ("--epochs 0", "--seed -1")),
    (
        "align.evaluate",
        "run",
        ("run", "dots"),
        (
            "--split tset",
            "--checkpoint worst",
            "--data nowhere",
            "--protocol unsen",
            "--labelled-episodes -1",
        ),
    ),
    ("align.evaluate", "", (), ("nowhere",)),
    ("align.analyze", "run", ("run", "dots"), ("--episodes 0", "--episodes -1", "--split x")),
    ("align.analyze", "", (), ("nowhere",)),
    (
        "align.report",
        "run",
        ("run", "dots"),
        ("--episode demo_99", "--view view_9", "--evaluation nothing", "--split valid"),
    ),
    ("align.report", "", (), ("nowhere",)),
    (
        "align.compare",
        f"{TRAIN} --seeds 0 --jobs 1 --methods deit",
        ("dots",),
        (
            "--methods deit paba",
            "--seeds -1",
            "--jobs 0",
            "--variant ../x",
            "--protocols unsen",
            "--env nowhere",
            "--epochs 0",
            "--optim.clip-norm -1",
        ),
    ),
    (
        "align.ablate",
        f"{TRAIN} --seeds 0 --jobs 1",
        ("dots",),
        ("--studies noises", "--seeds -1", "--jobs 0", "--env nowhere", "--epochs 0"),
    ),
    (
        "action.evaluate",
        "clip_run",
        ("clip_run", "squares"),
        (
            "--num-clips 0",
            "--num-clips -1",
            "--protocol CVS9",
            "--split tset",
            "--ensemble median",
            "--checkpoint worst",
        ),
    ),
    ("action.evaluate", "", (), ("nowhere",)),
    ("action.analyze", "clip_run", ("clip_run", "squares"), ("--clips 0", "--clips -1")),
    ("action.analyze", "", (), ("nowhere",)),
    (
        "action.retrieve",
        "clip_run",
        ("clip_run", "squares"),
        (
            "--num-clips 0",
            "--pictured -1",
            "--metric cosin",
            "--query.root nowhere",
            "--gallery.protocol CVS9",
            "--query.features nowhere.safetensors",
        ),
    ),
    (
        "action.compare",
        f"{CLIPS} --seeds 0 --jobs 1 --methods baseline",
        ("squares",),
        (
            "--methods bas",
            "--seeds -1",
            "--jobs 0",
            "--num-clips 0",
            "--test CVS9",
            "--protocols CS CVS9",
            "--epochs 0",
            "--variant a/b",
            "--pretrain-on nowhere",
            "--pretrain-data nut",
        ),
    ),
    (
        "action.ablate",
        f"{CLIPS} --seeds 0 --jobs 1",
        ("squares",),
        (
            "--studies noises",
            "--seeds -1",
            "--jobs 0",
            "--num-clips 0",
            "--test CVS9",
            "--epochs 0",
            "--model i3d",
        ),
    ),
    (
        "datasets.convert",
        "dots out --to mp4",
        ("dots",),
        (
            "--size 0",
            "--size 100000",
            "--hz 0",
            "--hz nan",
            "--split 9,9,9",
            "--split 1,2",
            "--mp4.crf 99",
            "--lerobot.crf -1",
            "--ftpv.quality 0",
            "--to mp5",
        ),
    ),
    ("datasets.convert", "--to mp4", (), ("nowhere out",)),
    (
        "datasets.info",
        "dots",
        ("dots",),
        ("--episode 99", "--episode -1", "--columns 0", "--columns -1", "--format nut"),
    ),
    ("datasets.info", "", (), ("nowhere",)),
    (
        "datasets.info",
        "squares --format ntu",
        ("squares",),
        ("--lists nowhere", "--workers 0"),
    ),
    (
        "datasets.cache",
        "squares out --format ntu",
        ("squares",),
        ("--size 33", "--size 0", "--crf 99", "--crf -1", "--workers 0", "--format nut"),
    ),
    ("datasets.extract_poses", "squares", ("squares",), ("--visibility 2", "--workers 0")),
    (
        "sims.generate",
        "--env tests.sims.toy:ToyEnv --episodes 3 --size 32 --out new",
        (),
        (
            "--views 0",
            "--episodes 0",
            "--size 0",
            "--seed -1",
            "--workers 0",
            "--split 1,2",
            "--split 0,0,0",
            "--shard 3/3",
            "--preset ftpv",
            "--env lfit",
            "--env nowhere:Env",
            "--env tests.sims.toy:NoEnv",
            "--cluster slurm",
        ),
    ),
    (
        "sims.generate",
        "--env mocap --out new",
        (),
        (
            "--views 0",
            "--layout kinetics",
            "--subjects 0",
            "--size 0",
            "--actions wlak",
            "--repetitions 0",
            "--seed -1",
        ),
    ),
    (
        "sims.replay",
        "--demos demos.hdf5 --out new",
        ("demos.hdf5",),
        ("--views 0", "--episodes 0", "--size 0", "--workers 0", "--split 1,2", "--demos nowhere"),
    ),
    ("sims.doctor", "", (), ("--fast",)),
    (
        "align.videos",
        "run first.mp4 second.mp4",
        ("run", "dots"),
        ("--height 4", "--height 97", "--clock offsets", "--out nowhere/aligned.txt"),
    ),
    (
        "align.view",
        "run --export page.html",
        ("run", "dots"),
        (
            "--references -1",
            "--port 99999",
            "--host example.com",
            "--split tset",
            "--episode demo_99",
            "--data nowhere",
        ),
    ),
)


def option_rows() -> Iterator[Row]:
    """A row for every bad option; the error names the option and, where it is a word, the value."""
    for command, words, needs, bad in OPTIONS:
        for option in bad:
            named = option.split()
            # The last value is the bad one, as in `--views ego view_9`. A number is named by its
            # option, or by itself where a data set has fewer.
            shown = named[-1]
            if not named[0].startswith("--"):
                shown = named[0]
            elif option in NAMED:
                shown = NAMED[option]
            elif _is_number(named[-1]) and named[-1] != MORE_THAN_THERE_ARE:
                shown = named[-2]
            yield Row(command, f"bad {option}", f"{words} {option}", needs, named=(shown,))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
