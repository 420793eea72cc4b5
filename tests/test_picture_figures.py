"""Rows of pictures as HTML that nobody's text can break, differences as colors, and lines with a second mark."""

import base64
import io
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedkit.figures.pictures import (
    PictureRow,
    accuracy_dots,
    attended,
    data_address,
    loss_lines,
    patched,
    picture_rows,
    setting_lines,
    signed,
)

BAD = '<script>alert("1")</script> & "quoted" \'too\''


def pictures(n: int, channels: int = 1, side: int = 4) -> Any:
    """Numbers that a byte holds exactly."""
    return (np.random.default_rng(n).integers(0, 256, (n, side, side, channels)) / 255).astype(np.float32)


def decoded(address: str) -> Image.Image:
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


class Seen(HTMLParser):
    """What a browser finds: tags, the attributes of pictures, and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.open = 0
        self.feed(page)
        self.close()
        assert self.open == 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open += tag == "div"
        if tag == "img":
            self.images.append(dict(attributes))

    def handle_endtag(self, tag: str) -> None:
        self.open -= tag == "div"

    def handle_data(self, text: str) -> None:
        self.texts.append(text)


# Pictures as addresses and rows


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_an_address_holds_the_same_pixels(channels: int, mode: str) -> None:
    pixels = pictures(1, channels)[0]
    image = decoded(data_address(pixels))
    assert image.mode == mode
    assert image.size == (4, 4)
    np.testing.assert_array_equal(np.asarray(image).reshape(4, 4, channels), np.rint(pixels * 255))
    wide = decoded(data_address(np.zeros((2, 5, channels), np.float32)))
    assert wide.size == (5, 2)


def test_pixels_beyond_black_and_white_are_cut() -> None:
    found = np.asarray(decoded(data_address(np.array([[[-0.5], [0.0]], [[1.0], [7.0]]]))))
    assert found.tolist() == [[0, 0], [255, 255]]
    assert np.asarray(decoded(data_address(np.array([[[0.5]]])))).tolist() == [[128]]  # rounded, not cut off


def test_rows_hold_a_picture_each_with_words_for_it() -> None:
    above, below = pictures(3), pictures(2, 3)
    seen = Seen(picture_rows([PictureRow("input", above, ("a", "b", "c")), PictureRow("output", below)]))
    assert [image["alt"] for image in seen.images] == [
        "input, 1: a",
        "input, 2: b",
        "input, 3: c",
        "output, 1",
        "output, 2",
    ]
    for image, pixels in zip(seen.images, [*above, *below], strict=True):
        found = np.asarray(decoded(str(image["src"]))).reshape(pixels.shape)
        np.testing.assert_array_equal(found, np.rint(pixels * 255))
    assert seen.texts == ["input", "a", "b", "c", "output"]


def test_rows_stand_in_columns() -> None:
    page = picture_rows([PictureRow("one", pictures(3)), PictureRow("two", pictures(1))], size=40)
    assert "repeat(3,minmax(0,40px))" in page
    assert page.count("<div></div>") == 2  # where the shorter row has none
    assert "http" not in page


def test_labels_and_captions_are_text_only() -> None:
    page = picture_rows([PictureRow(BAD, pictures(2), (BAD, "fine"))])
    seen = Seen(page)
    assert "<script" not in page
    assert set(seen.tags) == {"div", "img"}
    assert seen.texts == [BAD, BAD, "fine"]
    assert [image["alt"] for image in seen.images] == [f"{BAD}, 1: {BAD}", f"{BAD}, 2: fine"]
    assert all(set(image) == {"src", "alt", "style"} for image in seen.images)


def test_fewer_captions_than_pictures_and_no_pictures() -> None:
    seen = Seen(picture_rows([PictureRow("row", pictures(3), ("only",))]))
    assert [image["alt"] for image in seen.images] == ["row, 1: only", "row, 2", "row, 3"]
    assert Seen(picture_rows([])).images == []
    assert Seen(picture_rows([PictureRow("empty", pictures(3)[:0])])).texts == ["empty"]


# Pictures made from pictures


def test_no_difference_is_white_and_both_signs_are_as_strong() -> None:
    steps = np.array([-2, -0.5, -0.25, 0, 0.25, 0.5, 2], np.float32)
    colors = signed(steps[:, None, None, None] * np.ones((7, 2, 2, 1), np.float32))
    assert (colors.shape, colors.dtype) == ((7, 2, 2, 3), np.float32)
    low2, low, low_half, none, high_half, high, high2 = colors[:, 0, 0]
    assert none.tolist() == [1, 1, 1]
    np.testing.assert_array_equal([low2, high2], [low, high])  # beyond the widest nothing is stronger
    np.testing.assert_allclose([low_half, high_half], (1 + np.array([low, high])) / 2, atol=1e-6)
    assert low[2] > low[0] + 0.3  # blue: too dark
    assert high[0] > high[2] + 0.3  # orange: too bright
    assert 0 <= colors.min() <= colors.max() <= 1
    narrow = signed(np.full((1, 1, 1, 1), 0.1, np.float32), widest=0.1)
    np.testing.assert_allclose(narrow[0, 0, 0], high, atol=1e-6)


def test_a_difference_in_color_is_that_of_its_mean() -> None:
    three = np.array([0.3, -0.1, 0.1], np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(signed(three), signed(np.full((1, 1, 1, 1), 0.1, np.float32)), atol=1e-6)
    balanced = np.array([0.4, -0.4, 0.0], np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(signed(balanced), 1, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_have_lines_between_them(channels: int) -> None:
    pixels = pictures(1, channels, side=8)[0]
    before = pixels.copy()
    found = patched(pixels, 4, scale=3)
    assert (found.shape, found.dtype) == ((24, 24, 3), np.float32)
    lines = {0, 12}
    line = found[0, 0]
    for i in range(24):
        for j in range(24):
            own = line if i in lines or j in lines else np.broadcast_to(pixels[i // 3, j // 3], 3)
            np.testing.assert_array_equal(found[i, j], own)
    np.testing.assert_array_equal(pixels, before)
    assert patched(pixels, 2).shape == (64, 64, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_attention_lights_its_patch(channels: int) -> None:
    pixels = pictures(1, channels, side=8)[0]
    attention = np.array([[0.0, 0.1], [0.4, 0.2]], np.float32)
    found = attended(pixels, attention, scale=2)
    assert found.shape == (16, 16, 3)
    assert 0 <= found.min() <= found.max() <= 1
    dim = 0.35 * np.broadcast_to(pixels, (8, 8, 3)).repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(found[:8, :8], dim[:8, :8], atol=1e-6)  # no attention: dimmed and no more
    gain = (found - dim)[..., 0]
    parts = [gain[:8, :8], gain[:8, 8:], gain[8:, 8:], gain[8:, :8]]
    means = [float(part.mean()) for part in parts]
    assert means == sorted(means)
    assert means[0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(attended(pixels, 7 * attention, scale=2), found, atol=1e-5)  # the highest is full
    assert np.isfinite(attended(pixels, np.zeros((2, 2), np.float32))).all()


# Lines and dots


def test_loss_lines_hold_the_curve() -> None:
    curve = np.array([[0, 0.2, 0.21], [1, 0.1, 0.12], [2, 0.05, 0.08]])
    figure = loss_lines(curve, epoch=1, epochs=5, pca=0.06)
    own, held, pca = figure.data
    for trace, column in ((own, 1), (held, 2)):
        np.testing.assert_array_equal(trace.x, curve[:, 0])
        np.testing.assert_array_equal(trace.y, curve[:, column])
    assert [trace.name for trace in figure.data] == ["training pictures", "held-out pictures", "PCA, held-out"]
    assert (list(pca.x), list(pca.y)) == ([0, 5], [0.06, 0.06])
    assert len({trace.line.dash for trace in figure.data}) == 3  # not by color alone
    assert len({trace.line.color for trace in figure.data}) == 3
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(1, 1)]
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.range == (0, 5)
    assert len(loss_lines(curve, epoch=1, epochs=5, pca=None).data) == 2


def test_setting_lines_hold_their_numbers() -> None:
    lines = {"autoencoder": [0.05, 0.03, None], "PCA": [0.06, 0.04, 0.0]}
    figure = setting_lines([2, 4, 8], lines, x_title="latent size", y_title="error", chosen=4)
    for trace, (name, values) in zip(figure.data, lines.items(), strict=True):
        assert (trace.name, list(trace.x), list(trace.y)) == (name, [2, 4, 8], values)
        assert not trace.connectgaps  # where nothing was measured there is a gap
    one, two = figure.data
    assert one.line.dash != two.line.dash
    assert one.marker.symbol != two.marker.symbol
    assert one.line.color != two.line.color
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.ticktext == ("2", "4", "8")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("latent size", "error")
    assert [shape.x0 for shape in figure.layout.shapes] == [4]
    plain = setting_lines([0, 1], {"a": [1, 2]}, x_title="x", y_title="y", log=False)
    assert plain.layout.xaxis.type is None
    assert not plain.layout.shapes


def test_accuracy_dots_hold_their_numbers() -> None:
    found = {"pixels": {"kind": 0.5, "color": 0.9}, "CNN": {"kind": 0.95, "color": 0.4}}
    figure = accuracy_dots(found, "kind")
    kind, color = figure.data
    assert (kind.name, color.name) == ("kind (learned)", "color")
    assert (list(kind.x), list(color.x)) == ([0.5, 0.95], [0.9, 0.4])
    assert list(kind.y) == list(color.y) == ["pixels", "CNN"]
    assert kind.marker.symbol != color.marker.symbol
    assert kind.marker.color != color.marker.color
    assert {trace.mode for trace in figure.data} == {"markers"}
    assert figure.layout.yaxis.autorange == "reversed"  # the first on top
    assert accuracy_dots({}, "kind").data == ()
