"""Statistical methods: pure functions from arrays to figures, without SQL, HTTP, settings and clock.

All of them follow three rules:

- Each prospect counts as one. Where a prospect has several sessions, each of them has the weight
  1 / (sessions of the prospect); `evidence.prospect_weights` computes these weights. A prospect with 500
  sessions then counts as much as a prospect with one. The intervals stay valid: the variance of a mean is at
  most the mean of the variances, so however similar the sessions of a prospect are, the weighted sums vary no
  more than the formulas assume. Without weights, every row has the weight 1.
- A figure that is not defined is None. No function returns NaN or infinity.
- The same input gives the same result: functions that resample use a fixed seed.
"""
