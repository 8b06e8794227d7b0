"""What chainrule costs, measured: scripts to run, and `workloads`, which `chainrule bench` runs."""
