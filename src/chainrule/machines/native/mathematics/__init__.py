"""Mathematical functions as straight vector code, written out where they are used."""
