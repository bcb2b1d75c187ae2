"""`.nnet` files: the numbers they mean, their scaling, and one error with the line for whatever is
malformed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from exact import Box, InvalidInput, RealSpace, partition
from exact.sources import nnet
from tests.exact.reference import exact_output

LINES = """// a comment
// another
2,2,2,3,
2,3,2,
0,
-1.0,0.1,
1.0,0.9,
0.25,0.5,7.5,
2.0,0.1,3.0,
1.0,-2.0,
0.1,1e-1,
-3,.5,
0.5,
0.0,
-1.0,
1,2,3,
-1,0.3,0,
0.125,
0,
""".splitlines()
"""Two inputs, three hidden neurons, two outputs; line 10 is the first of weights."""


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "net.nnet"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_weights_and_scaling_are_read_exactly(tmp_path: Path) -> None:
    net = nnet.read(written(tmp_path, LINES))
    tenth = Fraction(0.1)
    assert net.network.layers[0].weight.tolist() == [[1, -2], [tenth, tenth], [-3, Fraction(1, 2)]]
    assert net.network.layers[0].bias.tolist() == [[Fraction(1, 2)], [0], [-1]]
    assert net.network.layers[1].weight.tolist() == [[1, 2, 3], [-1, Fraction(0.3), 0]]
    assert (net.network.widths, net.network.output_dim) == ((3,), 2)
    assert (net.minima, net.maxima) == ((-1, tenth), (1, Fraction(0.9)))
    assert (net.means, net.ranges, net.output_mean, net.output_range) == (
        (0.25, 0.5),
        (2, tenth),
        7.5,
        3,
    )
    assert partition(net.network, RealSpace(2)).outcome.value == "complete"


def test_which_number_a_decimal_means(tmp_path: Path) -> None:
    path = written(tmp_path, LINES)
    weights = [
        nnet.read(path, numbers=numbers).network.layers[0].weight[1, 0]
        for numbers in ("float64", "float32", "decimal")
    ]
    assert weights == [Fraction(0.1), Fraction(float(np.float32(0.1))), Fraction(1, 10)]
    assert nnet.read(path, numbers="decimal").ranges[1] == Fraction(1, 10)
    assert nnet.read(path, numbers="float32").ranges[1] == Fraction(float(np.float32(0.1)))
    with pytest.raises(InvalidInput, match="unknown numbers"):
        nnet.read(path, numbers="double")  # type: ignore[arg-type]


def test_there_and_back(tmp_path: Path) -> None:
    net = nnet.read(written(tmp_path, LINES), numbers="decimal")
    assert net.normalised(["1/2", 0.5]) == (Fraction(1, 8), 0)
    assert net.raw_input(net.normalised(["1/3", "7/10"])) == (Fraction(1, 3), Fraction(7, 10))
    assert net.normalised([-5, 5]) == net.normalised([-1, "9/10"]) == (Fraction(-5, 8), 4)
    assert net.raw_output([1, "1/3"]) == (Fraction(21, 2), Fraction(17, 2))
    assert net.normalised_output(net.raw_output(["2/7"])[0]) == Fraction(2, 7)
    x = net.normalised([0, "4/10"])
    hidden = [
        max(Fraction(0), z)
        for z in (x[0] - 2 * x[1] + Fraction(1, 2), (x[0] + x[1]) / 10, -3 * x[0] + x[1] / 2 - 1)
    ]
    expected = (
        hidden[0] + 2 * hidden[1] + 3 * hidden[2] + Fraction(1, 8),
        -hidden[0] + Fraction(3, 10) * hidden[1],
    )
    assert exact_output(net.network, x) == expected


def test_boxes_in_raw_units(tmp_path: Path) -> None:
    net = nnet.read(written(tmp_path, LINES), numbers="decimal")
    assert net.box([0, None], [None, "1/2"]) == Box(["-1/8", -4], ["3/8", 0])
    assert (
        net.box([-7, 0], [7, 5])
        == net.box([None, None], [None, None])
        == Box(["-5/8", -4], ["3/8", 4])
    )
    assert net.box(np.array([0.5, 0.5]), [0.5, 0.5]) == Box(["1/8", 0], ["1/8", 0])
    assert partition(net.network, net.box([0, "1/2"], [None, "1/2"])).evidence.startswith(
        "on its affine hull of dimension 1"
    )
    with pytest.raises(InvalidInput, match=r"lo\[1\] = 1/2, hi\[1\] = 1/4"):
        net.box([0, "1/2"], [1, "1/4"])
    for call in (
        lambda: net.box([0], [1, 1]),
        lambda: net.normalised([1, 2, 3]),
        lambda: net.raw_input("12"),
    ):
        with pytest.raises(InvalidInput, match="does not fit the network"):
            call()
    with pytest.raises(InvalidInput, match=r"lo\[0\] is not finite"):
        net.box([float("nan"), 0], [1, 1])


def change(number: int, text: str | None) -> Callable[[list[str]], list[str]]:
    """Line `number` (from 1) replaced, or left out."""
    return lambda lines: [*lines[: number - 1], *([] if text is None else [text]), *lines[number:]]


MALFORMED: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "nothing": (lambda _: [], "line 1: the file ends where the numbers of layers"),
    "only comments": (lambda lines: lines[:2], "the file ends where the numbers of layers"),
    "sizes": (
        change(3, "2,2,2,"),
        "line 3: the numbers of layers, inputs, outputs, and the largest width: 4 numbers",
    ),
    "half a layer": (change(3, "2.5,2,2,3,"), "line 3: .*not whole numbers from 1"),
    "no layer": (change(3, "0,2,2,3,"), "line 3: .*not whole numbers from 1"),
    "widths": (
        change(4, "2,3,3,2,"),
        "line 4: the widths of all layers, the inputs first: 3 numbers .*; got 4 numbers",
    ),
    "other inputs": (
        change(4, "3,3,2,"),
        "line 4: the widths do not go from 2 inputs to 2 outputs",
    ),
    "bounds": (
        change(6, "2.0,0.1,"),
        "line 7: the least value of input 0 is above the greatest; got 2",
    ),
    "means": (change(8, "0.25,0.5,"), "line 8: the means: 3 numbers belong here; got 2 numbers"),
    "no range": (change(9, "2.0,0.0,3.0,"), "line 9: a range is not positive; got 0"),
    "a word": (change(11, "0.1,one,"), "line 11: not a finite number; got 'one'"),
    "nan": (change(11, "0.1,nan,"), "line 11: not a finite number; got 'nan'"),
    "infinity": (change(11, "0.1,1e999,"), "line 11: not a finite number; got '1e999'"),
    "an underscore": (change(11, "0.1,1_0,"), "line 11: not a finite number; got '1_0'"),
    "a long exponent": (change(11, "0.1,1e-99999999999,"), "line 11: not a finite number"),
    "a hole": (change(11, "0.1,,"), "line 11: not a finite number; got ''"),
    "a short row": (
        change(11, "0.1,"),
        "line 11: row 1 of the weights of layer 1: 2 numbers belong here; got 1 numbers",
    ),
    "a missing row": (
        change(11, None),
        "line 12: row 2 of the weights of layer 1: 2 numbers belong here; got 1 numbers",
    ),
    "a bias too wide": (
        change(14, "0,0,"),
        "line 14: bias 1 of layer 1: 1 numbers belong here; got 2 numbers",
    ),
    "cut off": (
        lambda lines: lines[:-1],
        "line 19: the file ends where bias 1 of layer 2 should be; got nothing",
    ),
    "too long": (
        lambda lines: [*lines, "// fine", "1,"],
        "line 21: the file goes on behind the last bias; got 1,",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("numbers", ["float64", "decimal"])
def test_malformed_files_name_the_line(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]], words: str, numbers: nnet.Numbers
) -> None:
    with pytest.raises(InvalidInput, match=words):
        nnet.read(written(tmp_path, spoil(LINES)), numbers=numbers)


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "bytes.nnet").write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path / "none.nnet", "no such file"),
        (tmp_path, "no such file"),
        (3, "not a path"),
    ):
        with pytest.raises(InvalidInput, match=words):
            nnet.read(path)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="not a text file"):
        nnet.read(tmp_path / "bytes.nnet")
    with pytest.raises(InvalidInput, match="line 10: beyond the largest float32"):
        nnet.read(written(tmp_path, change(10, "1e39,1,")(LINES)), numbers="float32")


def test_comments_blanks_and_spaces_do_not_matter(tmp_path: Path) -> None:
    loose = [line.replace(",", " , ") for line in LINES]
    loose = [*loose[:5], "", "  // in between", *loose[5:]]
    tight = [line.removesuffix(",") for line in LINES if not line.startswith("//")]
    expected = nnet.read(written(tmp_path, LINES))
    assert nnet.read(written(tmp_path, loose)) == nnet.read(written(tmp_path, tight)) == expected
