"""Workloads on which chainrule and its peers are timed side by side.

`table` lists them; each has a file of its own, which writes out every contender as its experts
would. `harness` starts each contender in a process of its own (`worker`), compares their results
and times them in interleaved rounds; `report` writes what was found.

To add a workload, write its file with a `WORKLOAD` and name it in `table`. To add a contender, add
a function that takes the inputs and returns a `Run`. It imports its peer itself.
"""
