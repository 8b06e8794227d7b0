"""Fit your own model with the gradient of your own NumPy code: a swinging that dies away.

python examples/your_own_function.py
"""

from __future__ import annotations

import numpy as np

import chainrule as cr


def swinging(p, t):
    return p["height"] * np.exp(-p["decay"] * t) * np.cos(p["speed"] * t + p["phase"])


def cost(p, t, measured):
    return np.mean((swinging(p, t) - measured) ** 2)


def fit(t, measured, steps=3000, learning_rate=0.05):
    p = {"height": 1.0, "decay": 0.1, "speed": 2.0, "phase": 0.0}
    step = cr.compile(cr.value_and_grad(cost))
    for _ in range(steps):
        _, slope = step(p, t, measured)
        p = {name: p[name] - learning_rate * slope[name] for name in p}
    return p


def main():
    rng = np.random.default_rng(0)
    t = np.linspace(0.0, 6.0, 200)
    truth = {"height": 2.0, "decay": 0.3, "speed": 2.2, "phase": 0.5}
    measured = swinging(truth, t) + rng.normal(0.0, 0.05, t.shape)

    fitted = fit(t, measured)
    for name, value in fitted.items():
        print(f"{name:7} {value:6.3f}   (truth {truth[name]})")

    # How sure are we? The cost rises by the Hessian: a steep direction is well known.
    curvature = cr.hessian(lambda v: cost(dict(zip(fitted, v, strict=True)), t, measured))
    eigenvalues = np.linalg.eigvalsh(curvature(np.array(list(fitted.values()))))
    print("curvature of the cost, flattest to steepest:", np.round(eigenvalues, 2))


if __name__ == "__main__":
    main()
