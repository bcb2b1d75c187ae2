"""The numbers that arrays and tensors store, read bit for bit.

Casts and float arithmetic are not harmless: where the processor flushes subnormals
(`torch.set_flush_denormal`), `x + 0.0` or `astype` makes zeros of them. So formats narrower than
float64 are widened by their bit patterns. What has no values of its own (meta, lazy, masked,
quantised, ...) is refused by name, because a number read from it would be a guess.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import numpy as np

from exact.errors import InvalidInput

if TYPE_CHECKING:
    import torch

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Specials = Literal["ieee", "one nan", "nan for -0", "none"]

_SIGN, _EXPONENT = np.int64(-(2**63)), np.int64(0x7FF << 52)
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32}
_SIGNED_TORCH = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}


class _Format(NamedTuple):
    """A float of at most 8 bits: sign, exponent, mantissa, and which patterns are no numbers."""

    exponent_bits: int
    mantissa_bits: int
    bias: int
    specials: Specials


_SMALL = {
    "float8_e5m2": _Format(5, 2, 15, "ieee"),
    "float8_e4m3": _Format(4, 3, 7, "ieee"),
    "float8_e3m4": _Format(3, 4, 3, "ieee"),
    "float8_e4m3fn": _Format(4, 3, 7, "one nan"),
    "float8_e5m2fnuz": _Format(5, 2, 16, "nan for -0"),
    "float8_e4m3fnuz": _Format(4, 3, 8, "nan for -0"),
    "float8_e4m3b11fnuz": _Format(4, 3, 11, "nan for -0"),
    "float6_e2m3fn": _Format(2, 3, 1, "none"),
    "float6_e3m2fn": _Format(3, 2, 3, "none"),
    "float4_e2m1fn": _Format(2, 1, 1, "none"),
}
_POWERS = "float8_e8m0fnu"  # no sign, no mantissa: 2^(pattern - 127)
_WIDE = ("float16", "bfloat16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
_SHORT_INTEGERS = ("int1", "int2", "int4", "uint1", "uint2", "uint4")


def is_array(values: object) -> bool:
    """Whether a value stores numbers of one type: NumPy and JAX arrays, tensors, data frames, their
    scalars.
    """
    return hasattr(type(values), "__array__")


def plain_array(values: Any, name: str) -> np.ndarray[Any, Any]:
    """The same numbers as float64, integers or bool, exactly; arrays of objects and of text as they
    are.

    Reads NumPy's types up to 64 bits, bfloat16, and the floats of 4 to 8 bits of torch and
    ml_dtypes. Raises InvalidInput with `name`, what the array is and what to give instead, for
    everything else.
    """
    if "torch" in sys.modules and isinstance(values, sys.modules["torch"].Tensor):
        _refuse_without_values(values, name)
        return _widened(
            _bits_of_tensor(values, name), str(values.dtype).removeprefix("torch."), name
        )
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        _refuse(
            name,
            "has masked entries",
            "a masked array",
            "say what stands there: array.filled(value)",
        )
    try:
        array = np.asarray(values)
    except InvalidInput:  # of an object that says itself what to give
        raise
    except Exception as error:  # whatever a foreign array's conversion raises
        raise InvalidInput(
            f"{name} cannot be read as an array",
            value=_first_line(error),
            remedy="give a NumPy array or nested lists of rows of equal length",
        ) from error
    stored = getattr(values, "dtype", array.dtype)
    if array.dtype.kind in "OU":
        return array
    return _widened(array, getattr(stored, "name", str(stored)), name)


def subnormal(values: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where a float64 array holds subnormal numbers; asked of the bits."""
    bits = _bits64(values)
    found: np.ndarray[Any, np.dtype[np.bool_]] = ((bits & _EXPONENT) == 0) & ((bits & ~_SIGN) != 0)
    return found


def subnormal_units(values: FloatArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Subnormal float64 numbers as multiples of 2^-1074."""
    bits = _bits64(values)
    units: np.ndarray[Any, np.dtype[np.int64]] = np.where(bits < 0, -1, 1) * (bits & ~_SIGN)
    return units


def without_negative_zeros(values: FloatArray) -> FloatArray:
    """A contiguous copy in which -0.0 is 0.0, so that equal values have equal bytes."""
    bits = _bits64(values).copy()
    bits[bits == _SIGN] = 0
    return bits.view(np.float64)


def _bits64(values: FloatArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.ascontiguousarray(values, dtype=np.float64).view(np.int64).reshape(values.shape)


def _refuse(name: str, wrong: str, value: object, remedy: str) -> NoReturn:
    raise InvalidInput(f"{name} {wrong}", value=value, remedy=remedy)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"


def _refuse_without_values(tensor: torch.Tensor, name: str) -> None:
    import torch

    kind = type(tensor).__name__
    parameter = torch.nn.parameter
    if isinstance(tensor, parameter.UninitializedParameter | parameter.UninitializedBuffer):
        _refuse(
            name,
            "has no shape yet",
            kind,
            "run the lazy module once on an input, so that it makes its parameters",
        )
    if tensor.is_nested:
        _refuse(name, "is a nested tensor", kind, "give its components one by one: tensor.unbind()")
    if hasattr(tensor, "get_mask"):
        _refuse(
            name,
            "is a masked tensor",
            kind,
            "say what stands at masked entries: tensor.to_tensor(value)",
        )
    if tensor.is_meta or hasattr(tensor, "fake_mode"):
        _refuse(name, "has no values", f"{kind} on {tensor.device}", "load the weights first")
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        _refuse(
            name,
            "is a tensor of a kind of its own",
            kind,
            "give a plain tensor: .dequantize(), .full_tensor(), ...",
        )
    if tensor.is_quantized:
        _refuse(
            name,
            "is quantised",
            tensor.dtype,
            "give tensor.dequantize(): the float values that you mean",
        )
    if tensor.layout != torch.strided:
        _refuse(name, "is not a dense tensor", tensor.layout, "give tensor.to_dense()")
    if tensor.is_complex():
        _refuse(name, "is complex", tensor.dtype, "give real numbers, such as tensor.real")


def _bits_of_tensor(tensor: torch.Tensor, name: str) -> np.ndarray[Any, Any]:
    """The stored patterns of floats, or the integers themselves."""
    import torch

    try:
        held = tensor.detach().cpu().resolve_neg()
        if tensor.is_floating_point():
            held = held.contiguous().view(getattr(torch, _SIGNED_TORCH[tensor.element_size()]))
        return np.asarray(held.numpy())
    except (RuntimeError, TypeError) as error:
        raise InvalidInput(
            f"{name} cannot be read",
            value=f"{tensor.dtype}: {_first_line(error)}",
            remedy="give a plain tensor of float16, bfloat16, float32 or float64",
        ) from error


def _widened(held: np.ndarray[Any, Any], stored: str, name: str) -> np.ndarray[Any, Any]:
    """Numbers of the format `stored`, given as they are or by their bit patterns, as float64 or
    integers.
    """
    flat = np.ascontiguousarray(held).reshape(-1)
    if stored in _WIDE:
        return _wide(_native(flat), stored).reshape(held.shape)
    if stored in _SMALL or stored == _POWERS:
        return _table(stored)[flat.view(np.uint8)].reshape(held.shape)
    if stored in _SHORT_INTEGERS:
        return held.astype(np.int64)
    if stored in _INTEGERS:
        return held
    wrong = "is complex" if "complex" in stored else "is not an array of floats"
    raise InvalidInput(f"{name} {wrong}", value=stored, remedy="give float16, 32 or 64")


def _native(flat: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same patterns in the byte order of this machine."""
    return flat if flat.dtype.isnative else flat.byteswap().view(flat.dtype.newbyteorder("="))


def _wide(flat: np.ndarray[Any, Any], stored: str) -> FloatArray:
    """float16, bfloat16 and float32 are widened by a cast where they are normal, subnormals from
    their mantissas.
    """
    if stored == "float64":
        return flat.view(np.float64).copy()
    bits = flat.view(_UNSIGNED[flat.dtype.itemsize])
    if stored == "bfloat16":  # the upper half of a float32
        bits = bits.astype(np.uint32) << np.uint32(16)
    narrow, mantissa_bits = (np.float16, 10) if stored == "float16" else (np.float32, 23)
    width = 8 * bits.dtype.itemsize
    mantissa = bits & ((1 << mantissa_bits) - 1)
    exponent = bits >> mantissa_bits & (1 << width - 1 - mantissa_bits) - 1
    with np.errstate(all="ignore"):  # a signalling NaN is named later, not here
        values = bits.view(narrow).astype(np.float64)
    small = (exponent == 0) & (mantissa != 0)
    if small.any():
        # a normal float64
        unit = 2.0 ** (1 - ((1 << width - 2 - mantissa_bits) - 1) - mantissa_bits)
        values[small] = np.where(bits[small] >> (width - 1), -unit, unit) * mantissa[small]
    return values


@cache
def _table(stored: str) -> FloatArray:
    """The value of every byte."""
    entry = _power if stored == _POWERS else lambda pattern: _small(pattern, _SMALL[stored])
    return np.array([entry(pattern) for pattern in range(256)], dtype=np.float64)


def _power(pattern: int) -> float:
    return float("nan") if pattern == 255 else 2.0 ** (pattern - 127)


def _small(pattern: int, form: _Format) -> float:
    top, full = (1 << form.exponent_bits) - 1, (1 << form.mantissa_bits) - 1
    mantissa, exponent = pattern & full, pattern >> form.mantissa_bits & top
    sign = -1.0 if pattern >> (form.exponent_bits + form.mantissa_bits) & 1 else 1.0
    if form.specials == "ieee" and exponent == top:
        return sign * float("inf") if mantissa == 0 else float("nan")
    if form.specials == "one nan" and (exponent, mantissa) == (top, full):
        return float("nan")
    if form.specials == "nan for -0" and (exponent, mantissa, sign) == (0, 0, -1.0):
        return float("nan")
    significand = mantissa + (full + 1 if exponent else 0)
    return sign * significand * 2.0 ** (max(exponent, 1) - form.bias - form.mantissa_bits)
