"""Mathematical functions as straight vector code, written out where they are used.

Each is a formula over `lanes.Lanes`, for float64 and float32 and for any number of lanes, with or
without FMA, at most 2 ulp from the exact value. To add one, write it over `Lanes`, make an emitter
of it with `vector`, enter it in `elementwise.EMITTERS`, and give its exact value to
`tests/machines/native/accuracy.py`: the tests and docs/vector-math.md then measure it.
"""
