"""Networks of layers: built from sizes or layers, trained by `fit`, saved, loaded, asked."""
