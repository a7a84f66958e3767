import numpy as np

from datasets.clips.persons import choose_person


def person(x, y, size, joints=5, seed=0):
    shape = np.random.default_rng(seed).uniform(0, 1, (joints, 2))
    shape[0], shape[1] = (0, 0), (1, 1)
    return np.array([x, y]) + size * shape


def test_the_larger_person_is_followed_whatever_the_order():
    frames = []
    for t in range(20):
        pair = [person(10 + t, 50, 80), person(200 - t, 50, 40)]
        frames.append(np.stack(pair if t % 3 else pair[::-1]))
    chosen = choose_person(frames, 5)
    np.testing.assert_allclose(chosen, [person(10 + t, 50, 80) for t in range(20)], rtol=1e-6)


def test_a_passer_by_who_comes_close_does_not_take_over():
    frames = [[person(300, 50, 60)] for _ in range(20)]
    for t in (9, 10):
        frames[t].append(person(0, 0, 120))
    chosen = choose_person([np.stack(persons) for persons in frames], 5)
    np.testing.assert_allclose(chosen, np.stack([person(300, 50, 60)] * 20), rtol=1e-6)


def test_frames_without_anybody_are_missing_and_bridged():
    someone = person(100, 100, 50)[None]
    nobody = np.empty((0, 5, 2))
    chosen = choose_person([nobody, someone, nobody, nobody, someone], 5)
    assert np.isnan(chosen[[0, 2, 3]]).all() and np.isfinite(chosen[[1, 4]]).all()
    assert choose_person([nobody] * 3, 5).shape == (3, 5, 2)
    assert choose_person([], 5).shape == (0, 5, 2)


def test_missing_keypoints_are_nan_and_do_not_make_a_person_large():
    small, large = person(100, 100, 40), person(150, 150, 60)
    small[2:4] = 0, np.nan  # at the origin the box would reach there
    chosen = choose_person([np.stack([small, large])], 5)
    np.testing.assert_allclose(chosen[0], large, rtol=1e-6)
    chosen = choose_person([small[None]], 5)[0]
    assert np.isnan(chosen[2:4]).any(axis=1).all()
    small[2:4] = 0
    assert np.isnan(choose_person([small[None]], 5)[0, 2:4]).all()


def test_somebody_without_any_keypoint_is_nobody():
    ghosts = np.zeros((2, 5, 2))
    assert np.isnan(choose_person([ghosts], 5)).all()
    assert np.isnan(choose_person([np.full((1, 5, 2), np.inf)], 5)).all()
    assert np.isnan(choose_person([np.full((1, 5, 2), 1e300)], 5)).all()


def test_furniture_is_left_out_where_the_one_who_moves_most_acts():
    cupboard = person(300, 50, 200)
    walker = [person(10 + 3 * t, 50, 80) for t in range(20)]
    # The cupboard jitters by a pixel, and comes first in some frames.
    shake = np.random.default_rng(0).uniform(-1, 1, (20, 5, 2))
    frames = []
    for t in range(20):
        pair = [cupboard + shake[t], walker[t]]
        frames.append(np.stack(pair if t % 3 else pair[::-1]))
    np.testing.assert_allclose(choose_person(frames, 5), cupboard + shake, rtol=1e-5)
    np.testing.assert_allclose(choose_person(frames, 5, most_motion=True), walker, rtol=1e-6)


def test_who_is_seen_in_a_few_frames_alone_does_not_act_by_moving_most():
    frames = [[person(50, 50, 80) + 0.1 * t] for t in range(20)]
    for t in range(5):
        frames[t].append(person(100 * t, 50, 60))
    chosen = choose_person([np.stack(persons) for persons in frames], 5, most_motion=True)
    assert np.isfinite(chosen).all()
    np.testing.assert_allclose(
        chosen[:, 0], [(50 + 0.1 * t, 50 + 0.1 * t) for t in range(20)], rtol=1e-5
    )
