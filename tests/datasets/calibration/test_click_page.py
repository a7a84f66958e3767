"""A whole calibration on the page, in a browser."""

from __future__ import annotations

import json

import numpy as np
import pytest

from datasets.calibration.clicks import read_clicks
from datasets.calibration.reading import read_cameras
from tests.datasets.kinematics.arm import camera, joints, load_arm, make_motion, write_arm
from tests.pages import served, watch

pytest.importorskip("cv2")
pytestmark = pytest.mark.slow
LAPTOP = {"width": 1366, "height": 768}
LINKS = ("lower", "left_tip", "upper")


@pytest.fixture
def page(browser, recording, tmp_path):
    """The page of the arm; at the end no script has failed and nothing came from elsewhere."""
    words = [recording, "--robot", write_arm(tmp_path), "--joints", "joint_pos", "--focal"]
    words += ["--links", *LINKS, "--out", tmp_path / "rig.json"]
    faults = []
    with served("datasets.calibrate", *words) as address:
        context = browser.new_context(viewport=LAPTOP)
        page = context.new_page()
        watch(page, address, faults)
        page.goto(address)
        page.set_default_timeout(120_000)  # a busy machine is no fault of the page
        page.wait_for_selector("#picture[data-ready='0/0/0']")
        says(page, "needs 6 clicks")
        yield page
        context.close()
    assert not faults


def says(page, words):
    """Waits until the page advises so."""
    page.wait_for_selector(f"#advice-words:has-text('{words}')")


def drawn(page):
    page.evaluate("() => new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")


def press(page, key, frame):
    page.keyboard.press(key)
    page.wait_for_selector(f"#picture[data-ready='0/0/{frame}']")


def click(page, pixel):
    """Clicks a pixel of the picture, and waits until the server has it."""
    drawn(page)
    placed = json.loads(page.get_attribute("#picture", "data-placed"))
    box = page.locator("#picture").bounding_box()
    before = page.locator("#clicks tbody tr").count()
    page.mouse.click(
        box["x"] + placed["left"] + pixel[0] * placed["scale"],
        box["y"] + placed["top"] + pixel[1] * placed["scale"],
    )
    page.wait_for_selector(f"#clicks tbody tr:nth-child({before + 1})", state="attached")


def places(folder, frame):
    motion = make_motion(load_arm(folder), joints())
    motion.place(frame)
    return {name: camera().project(motion.robot.pose(name)[:3, 3])[0] for name in LINKS}


def test_a_whole_calibration(page, tmp_path):
    assert page.is_disabled("#save")
    for frame in range(4):
        for link, place in places(tmp_path, frame).items():
            # The page proposes the link that follows after each click.
            assert page.inner_text("#links [aria-selected=true]").startswith(link)
            click(page, place + np.random.default_rng(frame).normal(0, 0.2, 2))
        if frame == 0:
            says(page, "3 more clicks")
        if frame < 3:
            press(page, "ArrowRight", frame + 1)
    page.wait_for_selector("#advice.done")
    assert "reprojection error 0." in page.inner_text("#fit")

    # A wrong click is marked, and deleted again.
    page.keyboard.press("ArrowDown")
    click(page, (3, 60))
    page.wait_for_selector("#clicks tr.outlier")
    says(page, "1 click left out")
    page.click("#clicks tr.outlier button")
    page.wait_for_selector("#advice.done")
    assert page.locator("#clicks tbody tr").count() == 12

    page.keyboard.press("s")
    page.click("#save")
    page.wait_for_selector("#saved[open]")
    assert "--cameras" in page.inner_text("#then")
    rig = read_cameras([str(tmp_path / "rig.json")])["front"]
    point = np.array([0.2, 0.0, 0.5, 1.0])
    seen = rig.intrinsics @ (rig.pose @ point)[:3]
    assert np.linalg.norm(seen[:2] / seen[2] - camera().project(point[:3])[0]) < 1.5
    assert len(read_clicks(tmp_path / "rig_clicks.csv")) == 12


def test_zoom_keys_and_the_portrait(page, tmp_path):
    place = places(tmp_path, 0)["lower"]
    box = page.locator("#picture").bounding_box()
    placed = json.loads(page.get_attribute("#picture", "data-placed"))
    at = [
        box[k] + placed[side] + place[n] * placed["scale"]
        for n, (k, side) in enumerate((("x", "left"), ("y", "top")))
    ]
    page.mouse.move(*at)
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)
    drawn(page)
    larger = json.loads(page.get_attribute("#picture", "data-placed"))
    assert larger["scale"] == pytest.approx(placed["scale"] * 1.25**2)
    page.mouse.click(*at)  # what was under the pointer still is
    page.wait_for_selector("#clicks tbody tr", state="attached")
    [made] = read_clicks(tmp_path / "rig_clicks.csv")
    assert np.linalg.norm(np.array([made.x, made.y]) - place) < 0.2
    page.keyboard.press("z")
    page.wait_for_selector("#clicks tbody tr", state="detached")
    page.keyboard.press("0")
    press(page, "End", 5)
    press(page, "n", 0)  # round to the first proposed frame
    page.click("#portrait", position={"x": 95, "y": 30})
    drawn(page)
    assert "tip" in page.inner_text("#where")
