"""Circuit to circuit: the backward pass, its drawing, simplification."""
