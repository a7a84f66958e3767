"""The page in a browser: pictures, keys, drags, episodes, a phone, an exported file."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image as Pillow

from align.embedder import FrameEmbedder
from align.metrics.alignment import distances
from align.view.__main__ import main
from datasets.episodes import EpisodeDataset
from tests.pages import watch

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1400, "height": 1000}
FULL = "#progress[data-shown='2']"  # both runs have said all


@pytest.fixture(scope="module")
def address(serve, viewed_runs):
    with serve(*viewed_runs) as found:
        yield found


@pytest.fixture
def open_page(browser):
    """Opens a page, and at the end checks that no script failed and nothing came from elsewhere."""
    contexts, faults = [], []

    def opened(address, viewport=WIDE, wait=FULL):
        context = browser.new_context(viewport=viewport, has_touch=viewport is PHONE)
        contexts.append(context)
        page = context.new_page()
        watch(page, address, faults)
        page.goto(address)
        page.wait_for_selector(wait, timeout=120_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(open_page, address):
    return open_page(address)


def state_of(page):
    """The state that the page reports once it has drawn."""
    page.evaluate("() => new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")
    return page.evaluate("() => ({...document.body.dataset})")


def frames_of(page, selector):
    return [
        int(frame)
        for frame in page.eval_on_selector_all(selector, "a => a.map(e => e.dataset.frame)")
    ]


def pixels(page, selector):
    """Colours of a canvas."""
    url = page.eval_on_selector(selector, "c => c.toDataURL('image/png')")
    with Pillow.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.array(picture.convert("RGBA"))


def centre(page, selector):
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, selector, start, stop):
    """Drags between two places in an element, given as shares of its width and height."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    (x1, y1), (x2, y2) = (
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, stop)
    )
    page.mouse.move(x1, y1)
    page.mouse.down()
    page.mouse.move((x1 + x2) / 2, (y1 + y2) / 2)
    page.mouse.move(x2, y2)
    page.mouse.up()


def test_keys_move_through_time(page, dots):
    last = EpisodeDataset(dots, "test").lengths[0] - 1
    for key, time in [
        *(("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)),
        *(("Shift+ArrowRight", 11), ("Home", 0), ("ArrowLeft", 0), ("End", last)),
        ("ArrowRight", last),
    ]:
        page.keyboard.press(key)
        assert state_of(page)["time"] == str(time), key
        assert frames_of(page, ".view") == [time] * 3
    assert page.locator("#clock").inner_text().startswith(f"{last} / {last}")


def test_runs_pick_frames_in_every_other_view(page, viewed_runs, dots):
    data = EpisodeDataset(dots, "test")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    state_of(page)
    for run, folder in enumerate(viewed_runs):
        z = list(FrameEmbedder.load(folder).embed_episode(data, 0).values())
        wanted = [int(distances(z[1], other)[6].argmin()) for other in (z[0], z[2])]
        shown = frames_of(page, f".row[data-run='{run}'] .pick")
        assert [shown[0], shown[2]] == wanted and shown[1] == 6
    offsets = page.eval_on_selector_all(
        ".row[data-run='1'] .pick:not(.asking)", "a => a.map(e => e.dataset.offset)"
    )
    assert [int(offset) for offset in offsets] == [frame - 6 for frame in wanted]


def test_the_picture_is_that_frame(page, dots):
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(".view[data-view='1'][data-drawn='9']")
    canvas = pixels(page, ".view[data-view='1'] canvas")[..., :3].astype(float)
    frames = EpisodeDataset(dots, "test").images(0, "view_0").astype(float)
    rows, cols = ((np.arange(48) + 0.5) * side / 48 for side in canvas.shape[:2])
    small = canvas[rows.astype(int)][:, cols.astype(int)]
    assert np.abs(frames - small).mean(axis=(1, 2, 3)).argmin() == 9


def test_digits_clicks_and_keys_choose_view_and_run(page):
    page.keyboard.press("3")
    assert state_of(page)["lead"] == "2"
    page.locator(".view[data-view='0']").click()
    assert state_of(page)["lead"] == "0"
    page.keyboard.press("9")  # there is no ninth view
    assert state_of(page)["lead"] == "0"
    page.keyboard.press("r")
    assert state_of(page)["run"] == "1" and page.locator("#run").input_value() == "1"
    page.locator(".row[data-run='0'] .label").click()
    assert state_of(page)["run"] == "0"


def test_d_goes_round_the_decodings(page):
    values = []
    for _ in range(3):
        page.keyboard.press("d")
        state_of(page)
        values.append(page.locator("#decoding").input_value())
    assert values == ["motion", "dtw", "nearest"]


def test_the_timeline_is_dragged(page, dots):
    length = EpisodeDataset(dots, "test").lengths[0]
    drag(page, "#timeline", (0.1, 0.5), (0.999, 0.5))
    assert state_of(page)["time"] == str(length - 1)
    drag(page, "#progress", (0.9, 0.5), (0.5 / length, 0.5))
    assert state_of(page)["time"] == "0"


def test_a_drag_over_a_view_moves_time_and_not_the_lead(page):
    drag(page, ".view[data-view='2']", (0.2, 0.5), (0.7, 0.5))
    after = state_of(page)
    assert int(after["time"]) > 5 and after["lead"] == "1"


def test_the_matrix_has_a_cursor_that_is_dragged(page, dots):
    length = EpisodeDataset(dots, "test").lengths[0]
    middle = [(k + 0.5) / length for k in (3, 12)]
    drag(page, "#distances", (0.9, 0.9), (middle[1], middle[0]))
    assert state_of(page)["time"] == "3"
    place = page.eval_on_selector("#distances", "c => [c.dataset.row, c.dataset.column]")
    assert place == ["3", "12"]
    assert [
        span.strip() for span in page.locator("#pair figcaption > :last-child").all_inner_texts()
    ] == ["3", "12"]
    page.keyboard.press("ArrowRight")  # the cursor is at the picked frame again
    state_of(page)
    picked = frames_of(page, ".row[data-run='0'] .pick[data-view='0']")
    assert page.eval_on_selector("#distances", "c => c.dataset.column") == str(picked[0])


# Whether a canvas shows other pixels than it did; they stay in the browser, since there are many.
OTHER_PIXELS = """selector => {
    const c = document.querySelector(selector);
    const now = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    window.pixelsBefore ??= now;
    return now.some((value, k) => value !== window.pixelsBefore[k]);
}"""


def test_overlays_are_drawn_and_taken_away(page):
    canvas = ".view[data-view='1'] canvas"
    state_of(page)
    assert not page.evaluate(OTHER_PIXELS, canvas)
    for key, name in (("k", "keypoints"), ("p", "patches"), ("a", "attention")):
        page.keyboard.press(key)
        state_of(page)
        pressed = page.locator(f"[data-toggle={name}]").get_attribute("aria-pressed")
        assert pressed == "true"
        page.wait_for_function(OTHER_PIXELS, arg=canvas)
        page.locator(f"[data-toggle={name}]").click()
        state_of(page)
        assert not page.evaluate(OTHER_PIXELS, canvas), f"{name} stays"


def test_space_plays_to_the_end(page, dots):
    last = EpisodeDataset(dots, "test").lengths[0] - 1
    page.keyboard.press("Space")
    page.wait_for_function(f"() => document.body.dataset.time === '{last}'")
    page.wait_for_function("() => document.getElementById('play').textContent === '▶'")
    page.keyboard.press("Space")  # from the start again
    page.wait_for_function(f"() => Number(document.body.dataset.time) < {last}")
    page.keyboard.press("Space")
    before = state_of(page)["time"]
    assert state_of(page)["time"] == before


def test_brackets_and_the_list_switch_episodes(page, dots):
    data = EpisodeDataset(dots, "test")
    page.keyboard.press("End")
    page.keyboard.press("]")
    page.wait_for_selector(f"body[data-episode='{data.names[1]}']")
    assert state_of(page)["time"] == "0"
    page.keyboard.press("End")
    assert state_of(page)["time"] == str(data.lengths[1] - 1)
    page.keyboard.press("]")  # after the last comes the first
    page.wait_for_selector(f"body[data-episode='{data.names[0]}']")
    page.locator("#episode").select_option("1")
    page.wait_for_selector(f"body[data-episode='{data.names[1]}']")


def test_a_click_on_a_near_moment_goes_there(page, dots):
    page.wait_for_selector(".near[data-frame]")
    frame = page.locator(".near").get_attribute("data-frame")
    page.locator(".near").click()
    page.wait_for_selector(f"body[data-episode='{EpisodeDataset(dots, 'test').names[1]}']")
    assert state_of(page)["time"] == frame


def test_the_question_mark_lists_the_keys(page):
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("ArrowRight")  # keys move nothing below it
    assert state_of(page)["time"] == "0"
    page.keyboard.press("?")
    assert not page.locator("#help").is_visible()


def test_a_phone_needs_no_sideways_scrolling(open_page, address):
    page = open_page(address, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    boxes = [box.bounding_box() for box in page.locator("main canvas, button, select").all()]
    for box in filter(None, boxes):
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    heights = [button.bounding_box()["height"] for button in page.locator("#head button").all()]
    assert min(heights) >= 32
    page.touchscreen.tap(*centre(page, "#timeline"))
    assert int(state_of(page)["time"]) > 3
    page.keyboard.press("?")
    help_box = page.locator("#help").bounding_box()
    assert help_box["x"] >= 0 and help_box["x"] + help_box["width"] <= PHONE["width"]


def test_an_exported_page_is_whole(open_page, viewed_runs, tmp_path, dots, capsys):
    out, name = tmp_path / "page.html", EpisodeDataset(dots, "test").names[1]
    main([*map(str, viewed_runs), "--export", str(out), "--episode", name])
    assert str(out) in capsys.readouterr().out
    page = open_page(out.as_uri())
    assert state_of(page)["episode"] == name and not page.locator("#episodes").is_visible()
    assert name in page.title()
    page.wait_for_selector(".view[data-drawn='0']")
    for key in ("k", "p", "a", "r", "d", "2", "]", "End"):
        page.keyboard.press(key)
        assert state_of(page)["episode"] == name and "problem" not in state_of(page)
    last = EpisodeDataset(dots, "test").lengths[1] - 1
    page.wait_for_selector(f".view[data-drawn='{last}']")
    assert pixels(page, ".near canvas").std() > 5, "a near moment is not in the file"
    assert pixels(page, "#distances").std() > 5


def test_a_name_cannot_break_out_of_an_exported_page():
    from align.view.page import exported_page
    from datasets.pages.content import JSON, Content

    evil = "</script><script>document.title='broken'</script>"
    text = exported_page({"about.json": Content(JSON, json.dumps(evil).encode())}, evil)
    assert evil not in text and "&lt;/script&gt;" in text


def test_two_videos_need_no_data_set(open_page, serve, viewed_runs, two_videos):
    with serve(viewed_runs[0], *two_videos) as address:
        page = open_page(address, wait="#progress[data-shown='1']")
        assert page.locator("#title").inner_text() == "first.mp4, late.mp4"
        shapes = page.eval_on_selector_all(".view canvas", "a => a.map(c => c.width / c.height)")
        assert shapes == pytest.approx([1, 2], rel=0.02)
        page.keyboard.press("End")
        state_of(page)
        assert page.locator("[data-toggle=keypoints]").is_disabled()
        assert not page.locator("#others").is_visible()
        assert "late.mp4" in page.locator(".row-heading").inner_text()
        assert frames_of(page, ".pick[data-view='1']")[0] >= 0


def test_an_unpaired_video_is_beside_moments_of_others(open_page, unpaired_run, tmp_path):
    out = tmp_path / "page.html"
    main([str(unpaired_run), "--export", str(out)])
    page = open_page(out.as_uri(), wait="#progress[data-shown='1']")
    assert page.locator(".view figcaption").inner_text().startswith("ego")
    for section in ("#picks", "#matrix"):
        assert not page.locator(section).is_visible(), f"{section} has no second view to show"
    assert page.locator("#others").is_visible()
    page.wait_for_selector(".near[data-frame]")
    assert "other views" not in page.locator("#progress-note").inner_text()


def test_a_stopped_server_is_told(open_page, serve, viewed_runs, browser):
    with serve(viewed_runs[0]) as address:
        context = browser.new_context(viewport=WIDE)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#progress[data-shown='1']", timeout=120_000)
    page.keyboard.press("]")
    page.wait_for_selector("body[data-problem*='the server has ended']")
    context.close()
