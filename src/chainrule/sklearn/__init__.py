"""Estimators for scikit-learn, which has to be installed: `pip install chainrule[sklearn]`."""
