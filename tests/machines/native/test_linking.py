import ctypes
import math
import platform
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

from chainrule.machines.native import linking, target

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="objects of other systems are left to LLVM's loader",
)

# Constants, a table, tables of pointers, globals with values and without, a jump table, calls to
# the C library, to a function from outside, and within the module.
TEXT = """
@table = internal constant [4 x double] [double 1.0, double 2.0, double 3.0, double 4.0]
@zeros = internal global [1000 x double] zeroinitializer
@number = internal global double 2.5
@pointers = internal global [2 x ptr] [ptr @table, ptr @number]
@functions = internal constant [2 x ptr] [ptr @twice, ptr @halved]
declare double @exp(double)
declare double @tgamma(double)
declare double @outside(double)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define internal double @twice(double %x) noinline { %y = fmul double %x, 2.0
  ret double %y }
define internal double @halved(double %x) noinline { %y = fmul double %x, 0.5
  ret double %y }

define double @everything(double %x, i64 %i) {
entry:
  %at = getelementptr [4 x double], ptr @table, i64 0, i64 %i
  %entry_of_table = load double, ptr %at
  %e = call double @exp(double %x)
  %g = call double @tgamma(double %entry_of_table)
  %o = call double @outside(double %e)
  %which = and i64 %i, 1
  %slot = getelementptr [2 x ptr], ptr @pointers, i64 0, i64 %which
  %pointer = load ptr, ptr %slot
  %n = load double, ptr %pointer
  %choice = getelementptr [2 x ptr], ptr @functions, i64 0, i64 %which
  %function = load ptr, ptr %choice
  %f = call double %function(double %n)
  %zero_at = getelementptr [1000 x double], ptr @zeros, i64 0, i64 999
  %zero = load double, ptr %zero_at
  %a = fadd double %g, %o
  %b = fadd double %a, %f
  %c = fadd double %b, %zero
  ret double %c
}

define double @count() {
  %old = load double, ptr @number
  %new = fadd double %old, 1.0
  store double %new, ptr @number
  ret double %new
}

define double @jump(i64 %i, double %x) {
entry:
  switch i64 %i, label %other [
    i64 0, label %a
    i64 1, label %b
    i64 2, label %c
    i64 3, label %d
    i64 4, label %e
  ]
a:
  %ra = fadd double %x, 1.5
  ret double %ra
b:
  %rb = fmul double %x, %x
  ret double %rb
c:
  %rc = call double @exp(double %x)
  ret double %rc
d:
  %rd = fdiv double 1.0, %x
  ret double %rd
e:
  %re = call double @outside(double %x)
  ret double %re
other:
  ret double 0.0
}

define void @vectors(ptr %a, ptr %b) {
  %x = load <8 x float>, ptr %a, align 4
  %y = fmul <8 x float> %x, <float 1.0, float 2.0, float 3.0, float 4.0,
                             float 5.0, float 6.0, float 7.0, float 8.0>
  store <8 x float> %y, ptr %b, align 4
  call void @llvm.memset.p0.i64(ptr %a, i8 0, i64 20000, i1 false)
  ret void
}
"""
NAMES = ("everything", "count", "jump", "vectors")
DOUBLE, INT = ctypes.c_double, ctypes.c_int64
OUTSIDE = ctypes.CFUNCTYPE(DOUBLE, DOUBLE)(lambda x: 100 * x)
SYMBOLS = {"outside": ctypes.cast(OUTSIDE, ctypes.c_void_p).value}


def compiled(model, position, text=TEXT):
    """Return an object of a code model that `compile_object` does not use as well."""
    if model == "ours":
        return target.compile_object(text, target.host())
    target.compile_object("", target.host())  # LLVM is made ready
    made = llvm.Target.from_triple(target.host().triple).create_target_machine(
        cpu=target.host().cpu, reloc=position, codemodel=model, opt=2
    )
    return made.emit_object(llvm.parse_assembly(text))


@pytest.fixture(params=["ours", "small-pic", "large-static"], scope="module")
def code(request):
    return compiled(*(request.param + "-").split("-")[:2])


def results(addresses):
    everything, count, jump, vectors = addresses
    everything = ctypes.CFUNCTYPE(DOUBLE, DOUBLE, INT)(everything)
    jump = ctypes.CFUNCTYPE(DOUBLE, INT, DOUBLE)(jump)
    a, b = np.ones(5000, np.float32), np.zeros(8, np.float32)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(vectors)(a.ctypes.data, b.ctypes.data)
    return [
        [everything(0.5, i) for i in range(4)],
        ctypes.CFUNCTYPE(DOUBLE)(count)(),
        [jump(i, 3.0) for i in range(6)],
        b.tolist(),
        a.sum(),
    ]


def test_linked_code_computes_what_it_says(code):
    values, count, jumps, vector, rest = results(linking.link(code, NAMES, SYMBOLS))
    for i, value in enumerate(values):
        number = [2 * 1.0, 0.5 * 2.5][i % 2]
        assert value == pytest.approx(math.gamma(i + 1.0) + 100 * math.exp(0.5) + number, rel=1e-15)
    assert count == 3.5
    assert jumps == [4.5, 9.0, math.exp(3.0), 1 / 3.0, 300.0, 0.0]
    assert vector == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rest == 0


def test_linked_code_agrees_with_llvms_loader(code):
    assert results(linking.link(code, NAMES, SYMBOLS)) == results(target.load(code, NAMES, SYMBOLS))


def test_each_load_has_globals_of_its_own(code):
    counts = [ctypes.CFUNCTYPE(DOUBLE)(linking.link(code, ("count",), SYMBOLS)[0]) for _ in "ab"]
    assert [counts[0](), counts[0](), counts[1]()] == [3.5, 4.5, 3.5]


def test_no_page_is_writable_and_executable(code):
    address = linking.link(code, ("count",), SYMBOLS)[0]
    with open("/proc/self/maps") as file:
        lines = [line.split() for line in file]
    for place, access, *_ in lines:
        start, end = (int(word, 16) for word in place.split("-"))
        if start <= address < end:
            assert access == "r-xp"


def test_thousands_of_relocations():
    lines = [f"  %c{k} = call double @one(double %c{k - 1})" for k in range(1, 3001)]
    text = "\n".join([
        "define double @one(double %x) noinline { %y = fadd double %x, 1.0\n ret double %y }",
        "define double @many(double %c0) {", *lines, "  ret double %c3000", "}",
    ])  # fmt: skip
    for model in ("ours", "small"):
        (many,) = linking.link(compiled(model, "pic", text), ("many",), {})
        assert ctypes.CFUNCTYPE(DOUBLE, DOUBLE)(many)(0.5) == 3000.5


# ---------------------------------------------------------------------- what cannot be linked


def test_a_function_that_is_not_there():
    code = compiled("ours", "")
    with pytest.raises(ValueError, match="no function nowhere in the object"):
        linking.load(code, ("nowhere",), SYMBOLS)
    with pytest.raises(ValueError, match="calls outside, which this process does not have"):
        linking.load(code, ("count",))


THREAD_LOCAL = """
@mine = internal thread_local global double 1.0
define double @f() { %x = load double, ptr @mine
 ret double %x }
"""


@pytest.mark.parametrize(
    "code",
    [
        lambda: target.compile_object("define i64 @f() { ret i64 1 }", target.NEON),
        lambda: compiled("small", "pic", THREAD_LOCAL),
        lambda: compiled("small", "static"),
        lambda: compiled("medium", "pic"),
        lambda: b"\x7fELF\x01\x01" + bytes(100),
    ],
    ids=[
        "another processor",
        "thread-local data",
        "addresses of 32 bits",
        "a base of the table",
        "32 bits",
    ],
)
def test_what_is_left_to_llvm(code):
    with pytest.raises(linking.UnsupportedError):
        linking.link(code(), ("f",), SYMBOLS)


def test_what_is_not_supported_goes_to_llvms_loader(monkeypatch):
    monkeypatch.setattr(linking.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(linking.target, "load", lambda *given: given)
    assert linking.load(b"code", ["f"], {"g": 1}) == (b"code", ("f",), {"g": 1})


def test_damaged_objects_raise(monkeypatch):
    made = []
    real = linking.pages
    monkeypatch.setattr(
        linking, "pages", lambda size: made.append((real(size), size)) or made[-1][0]
    )
    code = compiled("ours", "")
    places = np.random.default_rng(5).choice(len(code), 500, replace=False).tolist()
    tables = len(code) - 64 * 30  # sections' headers are at the end
    damaged = [code[:n] for n in places[:100]]
    for place in [*range(64), *places, *range(tables, len(code), 5)]:
        for flip in (0x01, 0xFF):
            other = bytearray(code)
            other[place] ^= flip
            damaged.append(bytes(other))
    raised = 0
    for other in damaged:
        try:
            linking.link(other, NAMES, SYMBOLS)
        except (ValueError, linking.UnsupportedError):
            raised += 1
    assert raised > 400  # the others had another number or instruction somewhere
    for address, size in made:
        linking._libc().munmap(address, size)
