"""The picture: a circuit drawn as in the lecture, value above each wire and gradient below it.

`graph` says what is drawn, `layout` where, `svg` and `text` draw it, `picture` is what users hold.
"""
