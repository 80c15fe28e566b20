"""Loops over array elements, lifted into array expressions.

`counted` sees which loops go over elements, `lengths` how many there are, `dtypes` what arithmetic gives, `memory`
which arrays may be one, `scalars` what numbers do in a round; `elementwise` puts these together and says what the
rounds compute, in the terms of `described`.

`temporaries` are variables of one round, `starts` what a variable has where a loop begins, `extremes` the rounds that
keep the largest value so far, `branches` the stores under conditions, which `masks` says of whole arrays, `dots`
sums of products.

Whole patterns of loops: `products` and `contraction` are matrix products, `outer` tables of two vectors, `pairwise`
those of the rows of two matrices, `windows` reductions of slices that move over an array, whose bounds `linear`
compares; `apart` says whether what is read is what is stored to.

Of tensors, `pointwise` says for all samples what a round computes of one; `stretched` sees what broadcasting would
repeat by itself.
"""
