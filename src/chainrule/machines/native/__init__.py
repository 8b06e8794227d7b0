"""The native machine: circuits as machine code, through LLVM."""
