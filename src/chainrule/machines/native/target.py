"""What machine the code is for, and LLVM's part of the work: text in, machine code in memory out.

LLVM is reached through llvmlite, imported when the first function is compiled. Its calls are
locked: contexts are shared.
"""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass
from typing import Any

_LOCK = threading.RLock()


def _renew_lock() -> None:
    """Another thread may have held the lock when this process was forked: it is not here."""
    global _LOCK
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
_KEPT: list[Any] = []  # execution engines own the code they loaded; it lives as long as we do


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of processor.

    Parameters
    ----------
    triple : str
        LLVM's name of the system.
    cpu : str
        LLVM's name of the processor.
    features : str
        Its features, as LLVM writes them: "+avx2,-avx512f".
    vector_bytes : int
        The width of a vector register in use.
    registers : int
        How many vector registers there are.
    fma : bool
        Whether a multiplication and an addition are one instruction, rounded once.
    masks : bool
        Whether a masked load or store is one instruction, for every element size.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    masks: bool

    def lanes(self, kind: str) -> int:
        """Return how many elements of a type ("double", "float", "i64") fill a vector."""
        return self.vector_bytes // {"double": 8, "float": 4, "i64": 8, "i32": 4, "i8": 1}[kind]


SSE = Target("x86_64-unknown-linux-gnu", "x86-64", "", 16, 16, False, False)
AVX2 = Target("x86_64-unknown-linux-gnu", "haswell", "", 32, 16, True, False)
AVX512 = Target("x86_64-unknown-linux-gnu", "skylake-avx512", "-prefer-256-bit", 64, 32, True, True)
NEON = Target("aarch64-unknown-linux-gnu", "cortex-a72", "", 16, 32, True, False)


def _binding() -> Any:
    """Return llvmlite's binding; tell what to install where it is missing."""
    import llvmlite.binding  # 60 MB: only when something is compiled

    return llvmlite.binding


@functools.cache
def _targets() -> None:
    llvm = _binding()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def host() -> Target:
    """Return the processor that we run on."""
    llvm = _binding()
    with _LOCK:
        triple = llvm.get_default_triple()
        cpu = llvm.get_host_cpu_name()
        have = llvm.get_host_cpu_features()
    wide = have.get("avx512f") and have.get("avx512vl") and have.get("avx512dq")
    names = ["-prefer-256-bit"] if wide else []
    features = ",".join([have.flatten(), *names])
    if triple.startswith(("x86_64", "i686", "AMD64")):
        if wide:
            return Target(triple, cpu, features, 64, 32, True, True)
        if have.get("avx2") and have.get("fma"):
            return Target(triple, cpu, features, 32, 16, True, False)
        return Target(triple, cpu, features, 16, 16, bool(have.get("fma")), False)
    return Target(triple, cpu, features, 16, 32, triple.startswith(("aarch64", "arm64")), False)


def _machine(target: Target, level: int, *, jit: bool) -> Any:
    llvm = _binding()
    _targets()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=level,
        reloc="pic" if not jit else "default",
        codemodel="jitdefault" if jit else "default",
        jit=jit,
    )


def optimized(text: str, target: Target, machine: Any) -> Any:
    """Return LLVM's module for a text, cleaned up by the few passes that our text needs."""
    llvm = _binding()
    parsed = llvm.parse_assembly(f'target triple = "{target.triple}"\n{text}')
    parsed.data_layout = str(machine.target_data)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    # The loops are vectorised, tiled and fused by us. What is left: inline the entry, forget
    # computations of the same address, hoist what does not change.
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_dead_code_elimination_pass()
    passes.run(parsed, builder)
    return parsed


def compile_object(text: str, target: Target, level: int = 2) -> bytes:
    """Return the machine code of a module's text as an object file."""
    with _LOCK:
        machine = _machine(target, level, jit=True)
        return bytes(machine.emit_object(optimized(text, target, machine)))


def assembly(text: str, target: Target, level: int = 2) -> str:
    """Return the machine code of a module's text in the target's assembly language."""
    with _LOCK:
        machine = _machine(target, level, jit=False)
        return str(machine.emit_assembly(optimized(text, target, machine)))


def load(code: bytes, names: tuple[str, ...], symbols: dict[str, int] | None = None) -> list[int]:
    """Load an object file into this process and return the addresses of some functions.

    Parameters
    ----------
    code : bytes
        From `compile_object`, for this processor.
    names : tuple of str
        The functions.
    symbols : dict of str to int, optional
        Addresses of functions that the code calls and the process does not know by name.
    """
    llvm = _binding()
    with _LOCK:
        _targets()
        for name, address in (symbols or {}).items():
            llvm.add_symbol(name, address)
        empty = llvm.parse_assembly("")
        target = llvm.Target.from_default_triple()
        engine = llvm.create_mcjit_compiler(empty, target.create_target_machine(jit=True))
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        addresses = [engine.get_function_address(name) for name in names]
        engine.detach()  # never disposed: a thread may still run its code at the end
        _KEPT.append(engine)
    for name, address in zip(names, addresses, strict=True):
        assert address, f"no function {name} in the object"
    return addresses
