import pytest

from datasets.skeletons import (
    COCO18,
    NTU25,
    PANDA,
    SKELETONS,
    SMARTHOME13,
    Skeleton,
    add_skeleton,
    get_skeleton,
)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS.keys())
def test_bones_and_flip_pairs_refer_to_keypoints(skeleton):
    assert len(set(skeleton.keypoints)) == len(skeleton)
    for a, b in (*skeleton.bones, *skeleton.flip_pairs):
        assert 0 <= a < len(skeleton) and 0 <= b < len(skeleton) and a != b
    flipped = [i for pair in skeleton.flip_pairs for i in pair]
    assert len(set(flipped)) == len(flipped), "a keypoint is in two flip pairs"


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS.keys())
def test_flip_pairs_are_left_and_right_of_one_name(skeleton):
    for a, b in skeleton.flip_pairs:
        left, right = skeleton.keypoints[a], skeleton.keypoints[b]
        assert left.replace("left", "right") == right != left


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS.keys())
def test_bones_join_all_keypoints_without_a_loop(skeleton):
    group = list(range(len(skeleton)))
    for a, b in skeleton.bones:
        assert group[a] != group[b], "a bone closes a loop"
        group = [group[a] if g == group[b] else g for g in group]
    assert len(set(group)) == min(1, len(skeleton))


def test_the_panda_is_a_chain_that_ends_in_two_fingers():
    assert PANDA.keypoints == (
        *("base", "joint1", "joint2", "joint3", "joint4", "joint5", "joint6", "joint7"),
        *("hand", "left_finger", "right_finger"),
    )
    assert PANDA.bones == (*((i, i + 1) for i in range(9)), (8, 10))
    assert PANDA.flip_pairs == ((9, 10),)


def test_keypoints_are_numbered_in_order_of_appearance():
    skeleton = Skeleton.from_names("y", [("a", "b", "c"), ("b", "d")], [("c", "d")])
    assert skeleton.keypoints == ("a", "b", "c", "d")
    assert skeleton.bones == ((0, 1), (1, 2), (1, 3))
    assert skeleton.flip_pairs == ((2, 3),)


def test_an_unknown_name_gives_the_nearest():
    assert get_skeleton("panda") is PANDA
    with pytest.raises(KeyError, match="'pandas'.* 'panda'"):
        get_skeleton("pandas")


def test_a_name_that_is_taken_cannot_be_given_to_another_body():
    assert add_skeleton(PANDA) is PANDA
    with pytest.raises(ValueError, match="'panda'"):
        add_skeleton(Skeleton("panda", ("tip",), ()))


def test_a_bone_to_a_keypoint_that_is_not_there():
    with pytest.raises(ValueError, match=r"'crane' .*\(1, 2\)"):
        Skeleton("crane", ("base", "tip"), ((0, 1), (1, 2)))


@pytest.mark.parametrize(
    ("skeleton", "published"),
    [
        (
            NTU25,
            "base spine, mid spine, neck, head, L shoulder, L elbow, L wrist, L hand, R shoulder, "
            "R elbow, R wrist, R hand, L hip, L knee, L ankle, L foot, R hip, R knee, R ankle, "
            "R foot, spine, L hand tip, L thumb, R hand tip, R thumb",
        ),
        (
            SMARTHOME13,
            "R ankle, L ankle, R knee, L knee, R hip, L hip, R wrist, L wrist, R elbow, L elbow, "
            "R shoulder, L shoulder, head",
        ),
        (
            COCO18,
            "nose, neck, R shoulder, R elbow, R wrist, L shoulder, L elbow, L wrist, R hip, "
            "R knee, R ankle, L hip, L knee, L ankle, R eye, L eye, R ear, L ear",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_keypoints_are_in_the_published_order(skeleton, published):
    sides = {"L": "left", "R": "right"}
    expected = [
        "_".join(sides.get(word, word) for word in joint.split()) for joint in published.split(", ")
    ]
    assert list(skeleton.keypoints) == expected
