"""Lighter visual meshes for software rendering, whose time depends on the number of triangles."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float, Int

from sims.errors import SimulatorError

# Meshes with fewer faces are drawn unchanged: small parts lose their shape and gain no time.
MIN_FACES = 800
# Share of the faces that remains.
KEEP = 0.15
# Collapsing edges would open gaps between the patches of a mesh that are not stitched together,
# such as the mount's pedestal. Such a mesh's vertices are snapped to a grid of this pitch in metres
# instead, which moves no vertex farther than the pitch.
GRID = 0.01
# A mesh with more edges of a single face than this, for each of its faces, counts as unstitched.
MAX_OPEN_EDGES_PER_FACE = 0.3
# Faces whose normals differ by less than this are shaded as one smooth surface.
CREASE_DEGREES = 40.0


class LightMesh:
    """A simplified mesh: vertices, faces, and one normal for each corner of each face."""

    def __init__(
        self,
        vertices: Float[np.ndarray, "vertices 3"],
        faces: Int[np.ndarray, "faces 3"],
        normals: Float[np.ndarray, "normals 3"],
        normal_faces: Int[np.ndarray, "faces 3"],
    ) -> None:
        """Keeps the arrays; `normal_faces` indexes `normals` as `faces` indexes `vertices`."""
        self.vertices = vertices
        self.faces = faces
        self.normals = normals
        self.normal_faces = normal_faces


def require_mesh_libraries(install: str) -> None:
    """Raises a SimulatorError that names `install` when a library for meshes is missing."""
    for module in ("trimesh", "fast_simplification"):
        if find_spec(module) is None:
            raise SimulatorError(f"{module} is not installed. Run: {install}")


def simplified(vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> LightMesh:
    """A large mesh with a fraction of its faces, a small mesh with all; both shaded as before."""
    return _simplify(
        np.ascontiguousarray(vertices, np.float32).tobytes(),
        np.ascontiguousarray(faces, np.int32).tobytes(),
    )


@lru_cache(maxsize=256)
def _simplify(vertex_bytes: bytes, face_bytes: bytes) -> LightMesh:
    # Every episode compiles a new model from the same meshes, so the cache's key is their content.
    import fast_simplification
    import trimesh

    vertices = np.frombuffer(vertex_bytes, np.float32).reshape(-1, 3)
    faces = np.frombuffer(face_bytes, np.int32).reshape(-1, 3)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    # Vertices are duplicated along texture and normal seams. Without merging them, simplification
    # would tear the mesh apart there.
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    points, triangles = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    if len(faces) < MIN_FACES:
        pass  # small meshes stay as they are
    elif _is_open(mesh.edges, len(faces)):
        points, triangles = _snap(points, triangles)
    else:
        points, triangles = fast_simplification.simplify(
            points, triangles, target_reduction=1 - KEEP
        )
    normals, normal_faces = _creased_normals(points, triangles)
    return LightMesh(points, triangles, normals, normal_faces)


def _is_open(edges: Int[np.ndarray, "edges 2"], num_faces: int) -> bool:
    """Whether a mesh has many edges that belong to one face only."""
    _, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    return (uses == 1).sum() > MAX_OPEN_EDGES_PER_FACE * num_faces


def _snap(
    points: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> tuple[Float[np.ndarray, "kept 3"], Int[np.ndarray, "left 3"]]:
    """Merges the vertices within each cell of a grid into one of them."""
    cells = np.round(points / GRID).astype(np.int64)
    _, kept, merged = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = merged.reshape(-1)[faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return points[kept], faces[np.sort(first)]


def _creased_normals(
    points: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> tuple[Float[np.ndarray, "normals 3"], Int[np.ndarray, "faces 3"]]:
    """Normals that are smooth over flat angles and break at creases, like the original normals.

    The normal of a corner is the area-weighted average over those faces around its vertex whose
    normals lie within `CREASE_DEGREES` of the corner's own face.
    """
    a, b, c = (points[faces[:, i]].astype(np.float64) for i in range(3))
    area_normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(area_normals, axis=1, keepdims=True)
    unit = area_normals / np.maximum(lengths, 1e-12)
    # All pairs of a corner and a face around its vertex, found by sorting corners by vertex.
    corner_vertex = faces.reshape(-1)
    order = np.argsort(corner_vertex, kind="stable")
    starts = np.searchsorted(corner_vertex[order], np.arange(len(points)))
    degrees = np.bincount(corner_vertex, minlength=len(points))
    repeats = degrees[corner_vertex]
    corner = np.repeat(np.arange(len(corner_vertex)), repeats)
    within = np.arange(len(corner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    neighbour = order[starts[corner_vertex[corner]] + within] // 3
    smooth = (unit[corner // 3] * unit[neighbour]).sum(1) >= np.cos(np.radians(CREASE_DEGREES))
    summed = np.zeros((len(corner_vertex), 3))
    np.add.at(summed, corner[smooth], area_normals[neighbour[smooth]])
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
    normals, index = np.unique(np.round(summed, 3), axis=0, return_inverse=True)
    return normals.astype(np.float32), index.reshape(-1, 3).astype(np.int32)
