"""exp, log and choices as plain arithmetic, for kernels that numba compiles: loops over them become vector instructions.

Recent numba calls the C library for exp and log, once a number, which keeps a loop from being vectorised. What is written
here has neither calls nor branches. Infinities, zeros and NaN come out as in NumPy (numbers below 5e-308 count as zero). Errors
stay below 5e-16 relative, of eˣ also 4e-17·|x|. The polynomials interpolate at Chebyshev nodes:
2(eʳ-1-r)/r² for |r| <= ln 2 / 2, degree 9, and (2·atanh(s)/s-2)/s² in s², degree 6; both are exact to 2e-17.
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
LN2 = 0.6931471805599453
SMALLEST_NORMAL = 2.2250738585072014e-308
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD  # of sqrt(1/2)


def _bitcast(source: Any, target: Any, typed: Any) -> Any:
    def typing(typing_context: Any, x: Any) -> Any:
        return target(source), lambda context, builder, signature, arguments: builder.bitcast(arguments[0], typed)

    return intrinsic(typing)


def _choose(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    return (types.float64(types.boolean, types.float64, types.float64),
            lambda context, builder, signature, arguments: builder.select(*arguments))


bits_of = _bitcast(types.float64, types.int64, ir.IntType(64))  # of a double, as an integer
double_of = _bitcast(types.int64, types.float64, ir.DoubleType())  # whose bits these are
def _row_at(typing_context: Any, address: Any) -> Any:
    pointer: Any = types.CPointer
    return (pointer(types.float64)(types.int64),
            lambda context, builder, signature, arguments: builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()))


row_at: Any = intrinsic(_row_at)  # numbers that begin at an address
choose: Any = intrinsic(_choose)  # the second where the first holds, else the third; without a branch


@njit(fastmath=EXACT, error_model="numpy")
def minimum(a: float, b: float) -> Any:
    """Return the lesser, NaN if either is."""
    return choose(a < b, a, choose(a == a, b, a))


@njit(fastmath=EXACT, error_model="numpy")
def maximum(a: float, b: float) -> Any:
    """Return the greater, NaN if either is."""
    return choose(a > b, a, choose(a == a, b, a))


@njit(fastmath=EXACT, error_model="numpy")
def exp(x: float) -> Any:
    """Return eˣ = 2ⁿ·eʳ with x = n·ln 2 + r."""
    x = choose(x > 709.9, 709.9, choose(x < -708.5, -708.5, x))  # where the result is inf and 0
    shifted = x * LOG2E + MAGIC
    r = x - (shifted - MAGIC) * LN2
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + 0.33333333333333337 * r) + (0.08333333333324826 + 0.016666666666660124 * r) * r2
    middle = (0.0027777777834427434 + 0.00039682539726107236 * r) + (4.960304259190875e-05 + 5.511453691999493e-06 * r) * r2
    high = 5.524017689081949e-07 + 5.020077099102064e-08 * r
    twice = (2.0 + 2.0 * r) + (low + (middle + high * r4) * r4) * r2
    return twice * double_of((bits_of(shifted) - (MAGIC_BITS - 1022)) << 52)  # 2ⁿ⁻¹, as 2ⁿ may be too great for a double


@njit(fastmath=EXACT, error_model="numpy")
def log(x: float) -> Any:
    """Return ln x = k·ln 2 + 2·atanh(s) with x = 2ᵏ·m, s = (m-1)/(m+1), m between √½ and √2."""
    bits = bits_of(x)
    whole = (bits - ROOT_HALF_BITS) >> 52
    f = double_of(bits - (whole << 52)) - 1.0
    k = double_of(whole + MAGIC_BITS) - MAGIC
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    low = (0.666666666666667 + 0.39999999999899444 * z) + (0.2857142862600327 + 0.22222211130259878 * z) * z2
    high = (0.18182889455674947 + 0.15331710618210773 * z) + 0.14616585424888623 * z2
    result = k * LN2 + s * (2.0 + (low + high * (z2 * z2)) * z)
    result = choose(x < INF, result, x)
    return choose(x < SMALLEST_NORMAL, choose(x < 0.0, NAN, -INF), result)
