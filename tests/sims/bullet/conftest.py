"""Files of small bodies, as tests write them."""

import pytest

BOX = """<robot name="box"><link name="{link}"><inertial><mass value="1"/>
<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
<visual><geometry><box size="{size}"/></geometry></visual></link>{more}</robot>"""


@pytest.fixture
def box(tmp_path):
    """Write a URDF of a box; returns its path."""

    def write(name="box.urdf", size="0.2 0.2 0.2", link="side", more=""):
        path = tmp_path / name
        path.write_text(BOX.format(link=link, size=size, more=more))
        return path

    return write
