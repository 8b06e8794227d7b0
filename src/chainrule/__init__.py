"""chainrule."""
from .differentiate.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
