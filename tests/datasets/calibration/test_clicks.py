"""Tables of clicks: what they hold, and which line is wrong."""

import pytest

from datasets.calibration.clicks import Click, read_clicks, require_possible, write_clicks
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    UnknownNameError,
)

HEAD = "view,frame,link,x,y\n"


def write(folder, content):
    file = folder / "clicks.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_clicks_are_read_with_their_lines(tmp_path):
    file = write(tmp_path, "link, view,frame,episode,x,y\nhand, front ,3,,10.5,2\nhand,a,0,2,1,1\n")
    assert read_clicks(file) == [
        Click("front", 3, "hand", 10.5, 2.0, 0, f"{file}:2"),
        Click("a", 0, "hand", 1.0, 1.0, 2, f"{file}:3"),
    ]


def test_written_clicks_are_read_back(tmp_path):
    clicks = [Click("front", 3, "hand", 10.25, 2.5, 1, f"{tmp_path / 'c.csv'}:2")]
    write_clicks(tmp_path / "c.csv", clicks)
    assert read_clicks(tmp_path / "c.csv") == clicks


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", FormatError, "lacks the columns view, frame, link, x, y. Its first line must be"),
        ("view,frame,x,y\n", FormatError, "lacks the columns link"),
        (HEAD + "a,0,hand,1\n", FormatError, "clicks.csv:2: y must be a number, got None"),
        (HEAD + "a,0,hand,1,2\na,1.5,hand,1,2\n", FormatError, "csv:3: frame must be a whole"),
        (HEAD + "a,0,hand,nan,2\n", FormatError, "csv:2: x must be a number, got 'nan'"),
        (b"view\xff,", DamagedDataError, "is no table of clicks"),
        (HEAD.encode("utf-16"), DamagedDataError, "Save it as CSV in UTF-8"),
        (
            HEAD.replace(",", ";"),
            FormatError,
            "semicolons between its columns. Save it with commas",
        ),
        (HEAD.replace(",", "\t"), FormatError, "tabs between its columns"),
        (HEAD + "a,0,hand,10,5,20,5\n", FormatError, "csv:2: .* Write decimal points, not commas"),
        ("epsiode," + HEAD, FormatError, "column 'epsiode': did you mean 'episode'"),
        ("x," + HEAD, FormatError, "column 'x' twice"),
        (HEAD + 3 * "a,0,hand,0.2,0.9\n", FormatError, "must be pixels, not shares of a side"),
    ],
)
def test_what_a_table_says_wrongly_is_named(tmp_path, content, error, message):
    with pytest.raises(error, match=message):
        read_clicks(write(tmp_path, content))


def test_a_missing_table(tmp_path):
    with pytest.raises(MissingDataError, match="Check the path of --clicks"):
        read_clicks(tmp_path / "clicks.csv")


@pytest.mark.parametrize(
    ("click", "error", "message"),
    [
        (Click("frnt", 0, "hand", 1, 1), UnknownNameError, "did you mean 'front'"),
        (Click("front", 0, "hnd", 1, 1), UnknownNameError, "did you mean 'hand'"),
        (Click("front", 0, "hand", 1, 1, 2), MismatchError, "no episode 2, the data have 2 ep"),
        (Click("front", 5, "hand", 1, 1), MismatchError, "no frame 5, the data have 5 frames"),
        (Click("front", -1, "hand", 1, 1), MismatchError, "no frame -1"),
        (Click("front", 0, "hand", 81, 1), MismatchError, r"\(81, 1\) is beside the picture .*80"),
        (Click("front", 0, "hand", 1, 60.5), MismatchError, "80 x 60 pixels. Correct x and y"),
    ],
)
def test_a_click_that_cannot_be_is_named(click, error, message):
    with pytest.raises(error, match=message):
        require_possible([click], ["front"], [5, 4], ["hand"], {"front": (60, 80)})


def test_spreadsheets_may_add_columns_spaces_and_capitals(tmp_path):
    file = write(tmp_path, "\ufeffView , Episode,Frame,Link,X,Y,note,\nfront,1,3,hand,10.5,2,ok,\n")
    assert read_clicks(file) == [Click("front", 3, "hand", 10.5, 2.0, 1, f"{file}:2")]
