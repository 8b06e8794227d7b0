"""Nielsen's networks under the book's own names, on this engine.

M. Nielsen, "Neural Networks and Deep Learning" (2015), chapters 1 and 3. What the book says of
`network.Network` and `network2.Network` holds here: names, shapes, lists of `(x, y)` with column
vectors, printed lines. The gradients are worked out by the chain rule from the cost alone, and
whole epochs run as machine code. `network` is chapter 1's module, `network2` chapter 3's::

    from chainrule.nielsen import network
    net = network.Network([784, 30, 10], seed=1)
    net.SGD(training_data, 30, 10, 3.0, test_data=test_data)

The parts: `pairs` reads the lists, `costs` has the costs, `layers` what both networks share,
`saturation` finds outputs that learn no more, `files` reads and writes the book's JSON.
"""

from . import network, network2
from .costs import CrossEntropyCost, QuadraticCost
from .network import Network

__all__ = ["CrossEntropyCost", "Network", "QuadraticCost", "network", "network2"]
