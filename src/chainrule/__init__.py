"""chainrule: write the forward pass, read the backward pass, run both at machine speed."""

from .differentiate.compiled import compile
from .differentiate.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .face import TracedCircuit as Circuit
from .face import trace
