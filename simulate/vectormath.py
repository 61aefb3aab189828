"""exp, log and choices as plain arithmetic, for kernels that numba compiles: loops over them become vector instructions.

Recent numba calls the C library for exp and log, once a number, which keeps a loop from being vectorised. What is written
here has neither calls nor branches. Exact to about one unit in the last place; infinities, zeros and NaN come out as in NumPy
(the logarithm takes numbers below 2e-308 for zero). The polynomials interpolate at Chebyshev nodes: (eʳ-1-r)/r² for |r| <= ln 2 / 2, degree 9 (relative
error of eʳ 2e-17); (atanh(s)·2/s-2)/s² in s², degree 6 (relative error of the logarithm 5e-18).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

EXACT = {"contract", "nsz", "arcp"}
"""What the compiler may do: fuse a product and a sum, ignore the sign of zero, multiply by reciprocals. Not: reorder, or
take for granted that numbers are finite, which would lose NaN."""

INF, NAN = float("inf"), float("nan")
MAGIC = 6755399441055744.0  # 1.5·2^52: adding it rounds to an integer, which then stands in the lowest bits
MAGIC_BITS = 0x4338000000000000
LOG2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the first ends in 21 zero bits: n·LN2_HIGH is exact
SMALLEST_NORMAL = 2.2250738585072014e-308
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD  # of sqrt(1/2)


def _bitcast(target: Any, source: Any, typed: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], typed)

    return target(source), generate


@intrinsic
def bits_of(typing_context: Any, x: Any) -> Any:
    """Return the bits of a double as an integer."""
    return _bitcast(types.int64, types.float64, ir.IntType(64))


@intrinsic
def double_of(typing_context: Any, x: Any) -> Any:
    """Return the double whose bits these are."""
    return _bitcast(types.float64, types.int64, ir.DoubleType())


@intrinsic
def choose(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """Return `a` where the condition holds, else `b`, without a branch."""
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return types.float64(types.boolean, types.float64, types.float64), generate


@njit(fastmath=EXACT, error_model="numpy")
def minimum(a: float, b: float) -> float:
    """Return the lesser, NaN if either is."""
    return choose(a < b, a, choose(a == a, b, a))


@njit(fastmath=EXACT, error_model="numpy")
def maximum(a: float, b: float) -> float:
    """Return the greater, NaN if either is."""
    return choose(a > b, a, choose(a == a, b, a))


@njit(fastmath=EXACT, error_model="numpy")
def exp(x: float) -> float:
    """Return eˣ = 2ⁿ·eʳ with x = n·ln 2 + r."""
    x = choose(x > 710.0, 710.0, choose(x < -746.0, -746.0, x))  # beyond, the result is inf or 0 all the same
    shifted = x * LOG2E + MAGIC
    n = shifted - MAGIC
    r = x - n * LN2_HIGH - n * LN2_LOW
    p = 2.510038549551032e-08
    p = p * r + 2.7620088445409746e-07
    p = p * r + 2.7557268459997064e-06
    p = p * r + 2.4801521295954376e-05
    p = p * r + 0.00019841269863053618
    p = p * r + 0.0013888888917213717
    p = p * r + 0.008333333333330062
    p = p * r + 0.04166666666662413
    p = p * r + 0.16666666666666669
    p = p * r + 0.5
    whole = bits_of(shifted) - MAGIC_BITS
    half = whole >> 1  # in two parts, as 2ⁿ alone may lie outside the doubles
    return (1.0 + (r + r * r * p)) * double_of((half + 1023) << 52) * double_of((whole - half + 1023) << 52)


@njit(fastmath=EXACT, error_model="numpy")
def log(x: float) -> float:
    """Return ln x = k·ln 2 + 2·atanh(s) with x = 2ᵏ·m, s = (m-1)/(m+1), m between √½ and √2."""
    bits = bits_of(x)
    whole = (bits - ROOT_HALF_BITS) >> 52
    f = double_of(bits - (whole << 52)) - 1.0
    k = double_of(whole + MAGIC_BITS) - MAGIC
    s = f / (2.0 + f)
    z = s * s
    p = 0.14616585424888623
    p = p * z + 0.15331710618210773
    p = p * z + 0.18182889455674947
    p = p * z + 0.22222211130259878
    p = p * z + 0.2857142862600327
    p = p * z + 0.39999999999899444
    p = p * z + 0.666666666666667
    half = 0.5 * f * f
    result = k * LN2_HIGH - ((half - (s * (half + z * p) + k * LN2_LOW)) - f)
    result = choose(x < INF, result, x)
    return choose(x < SMALLEST_NORMAL, choose(x < 0.0, NAN, -INF), result)
