"""The guided tour: its examples, its training loop, its drawings. `cli/tour.py` shows them."""
