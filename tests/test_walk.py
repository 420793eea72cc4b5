"""Walking a latent space: the plane against numpy, each cell decoded at its middle, lines, sweeps."""

from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.images.autoencoder import Autoencoder, Recipe
from embedkit.images.measures import fit_pca
from embedkit.images.walk import EDGE, line, plane_of, sheet, sweep


class Told:
    """A decoder whose pictures (2, 3, channels) say which vector they are of, each pixel all its numbers."""

    def decode(self, vectors: Any) -> Any:
        return np.broadcast_to(vectors[:, None, None, :], (len(vectors), 2, 3, vectors.shape[1])).copy()


def codes(n: int, d: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) * np.linspace(3, 0.5, d) + 7).astype(np.float32)


def test_a_plane_of_two_numbers_is_the_space_itself() -> None:
    given = codes(50, 2)
    plane = plane_of(given)
    np.testing.assert_array_equal(plane.points, given)
    np.testing.assert_array_equal(plane.lift(given), given)
    np.testing.assert_array_equal(plane.axes, np.eye(2))
    np.testing.assert_array_equal(plane.middle, [0, 0])
    assert plane.share == 1


@pytest.mark.parametrize(("n", "d"), [(60, 3), (60, 10), (6, 32)])
def test_a_plane_of_more_is_the_principal_one(n: int, d: int) -> None:
    given = codes(n, d)
    plane = plane_of(given)
    middle = given.mean(0, dtype=np.float64)
    _, spread, axes = np.linalg.svd(given - middle, full_matrices=False)
    projected = middle + (given - middle) @ axes[:2].T @ axes[:2]
    np.testing.assert_allclose(plane.lift(plane.points), projected, atol=1e-4)
    np.testing.assert_allclose(np.abs(plane.axes @ axes[:2].T), np.eye(2), atol=1e-4)
    np.testing.assert_allclose(plane.middle, middle, atol=1e-5)
    assert plane.share == pytest.approx((spread[:2] ** 2).sum() / (spread**2).sum(), rel=1e-4)
    assert plane.lift(plane.points).dtype == np.float32
    assert plane.points.var(0)[0] > plane.points.var(0)[1]


@pytest.mark.parametrize("d", [2, 5])
def test_all_points_lie_within_its_corners(d: int) -> None:
    plane = plane_of(codes(50, d))
    points, sides = plane.points, plane.high - plane.low
    np.testing.assert_allclose((plane.low + plane.high) / 2, (points.min(0) + points.max(0)) / 2, atol=1e-5)
    np.testing.assert_allclose(points.min(0) - plane.low, plane.high - points.max(0), atol=1e-4)
    assert (points.min(0) - plane.low >= 0.9 * EDGE * np.ptp(points, axis=0)).all()
    assert max(sides) / min(sides) <= 2.001


def test_a_narrow_plane_is_half_as_high_as_wide_and_no_axis_is_stretched() -> None:
    flat = np.array([[0, 5], [10, 5], [4, 5]], np.float32)
    plane = plane_of(flat)
    np.testing.assert_allclose([plane.low, plane.high], [[-0.4, 2.3], [10.4, 7.7]], atol=1e-5)
    square = plane_of(np.array([[0, 0], [10, 8]], np.float32))
    np.testing.assert_allclose([square.low, square.high], [[-0.4, -0.32], [10.4, 8.32]], atol=1e-5)
    point = plane_of(np.ones((3, 2), np.float32))
    assert (point.high > point.low).all()
    assert point.cells(20) == (20, 20)


@pytest.mark.parametrize("high", [0.1, 3, 5.3, 8, 10, 17, 400])
def test_cells_are_nearly_square(high: float) -> None:
    plane = plane_of(np.array([[0, 0], [10, high]], np.float32))
    columns, rows = plane.cells(20)
    width, height = (plane.high - plane.low) / (columns, rows)
    assert max(columns, rows) == 20
    assert min(columns, rows) >= 10
    assert 0.93 < width / height < 1.07
    assert (columns >= rows) == (high <= 10)
    assert plane.cells(1) == (1, 1) or high in (0.1, 400)
    assert min(plane.cells(1)) == 1


@pytest.mark.parametrize("d", [2, 6])
def test_each_cell_is_decoded_at_its_middle(d: int) -> None:
    plane = plane_of(codes(50, d))
    columns, rows = 5, 3
    found = sheet(Told(), plane, (columns, rows))
    assert found.shape == (rows * 2, columns * 3, d)
    cell = (plane.high - plane.low) / (columns, rows)
    for row in range(rows):
        for column in range(columns):
            middle = [plane.low[0] + (column + 0.5) * cell[0], plane.high[1] - (row + 0.5) * cell[1]]
            expected = Told().decode(plane.lift(np.array([middle])))[0]
            part = found[2 * row : 2 * row + 2, 3 * column : 3 * column + 3]
            np.testing.assert_allclose(part, expected, atol=2e-5)
    if d == 2:
        assert (np.diff(found[::2, 0, 1]) < 0).all()  # the second axis points up
        assert (np.diff(found[0, ::3, 0]) > 0).all()  # the first to the right


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_a_networks_sheet_holds_its_pictures(kind: Any) -> None:
    model = Autoencoder(Recipe(kind, latent=3), (8, 12, 3))
    plane = plane_of(codes(20, 3))
    found = sheet(model, plane, (2, 4))
    assert found.shape == (32, 24, 3)
    low, high = plane.low, plane.high
    corner = np.array([[low[0] + 0.75 * (high[0] - low[0]), high[1] - 0.125 * (high[1] - low[1])]])
    np.testing.assert_allclose(found[:8, 12:], model.decode(plane.lift(corner))[0], atol=1e-5)


def test_a_lines_ends_are_the_ends() -> None:
    start, end = codes(2, 4)
    found = line(Told(), start, end)[:, 0, 0]
    assert found.shape == (9, 4)
    np.testing.assert_array_equal(found[[0, -1]], [start, end])
    np.testing.assert_allclose(found[4], (start + end) / 2, rtol=1e-6)
    np.testing.assert_allclose(np.diff(found, axis=0), np.tile((end - start) / 8, (8, 1)), atol=1e-5)
    assert len(line(Told(), start, end, count=3)) == 3
    model = Autoencoder(Recipe(latent=4), (8, 8, 1))
    ends = line(model, start, end)[[0, -1]]
    np.testing.assert_allclose(ends, model.decode(np.stack([start, end])), atol=1e-6)


def test_a_sweep_changes_one_number() -> None:
    vector = codes(1, 4)[0]
    before = vector.copy()
    values = np.array([-2, 0, 2.5], np.float32)
    for column in range(4):
        found = sweep(Told(), vector, column, values)[:, 0, 0]
        np.testing.assert_array_equal(found[:, column], values)
        others = [each for each in range(4) if each != column]
        np.testing.assert_array_equal(found[:, others], np.tile(vector[others], (3, 1)))
    np.testing.assert_array_equal(vector, before)
    for column in (-1, 4):
        with pytest.raises(InputError, match=f"the numbers 1 to 4, not {column + 1}"):
            sweep(Told(), vector, column, values)


@pytest.mark.parametrize("shape", [(5, 1), (1, 2), (0, 3), (4,), (2, 2, 2)])
def test_what_is_no_table_of_vectors_has_no_plane(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="two vectors of at least two numbers"):
        plane_of(np.ones(shape, np.float32))


def test_pca_can_be_walked_as_well() -> None:
    pixels = np.random.default_rng(0).random((30, 4, 4, 1), np.float32)
    pca = fit_pca(pixels, 2)
    plane = plane_of(pca.encode(pixels))
    found = sheet(pca, plane, plane.cells(6))
    assert found.shape == (4 * plane.cells(6)[1], 4 * plane.cells(6)[0], 1)
    np.testing.assert_allclose(line(pca, *pca.encode(pixels[:2]))[0], pca.reconstruct(pixels[:1])[0], atol=1e-5)
