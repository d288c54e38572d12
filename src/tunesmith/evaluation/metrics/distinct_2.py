"""How varied texts are: a model that says the same of everything has few pairs of words."""

from __future__ import annotations

from itertools import chain

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.metrics.resampled import Over, ResampledMetric, divide


class Distinct2(ResampledMetric):
    """Different pairs of words over all pairs, of all texts together (Li et al. 2016, section 5.1). Reads ``bigrams``.

    It falls with the number of texts: compare it on the same rows only. For the same reason it has no interval.
    """

    name = "distinct_2"
    summary = "different pairs of words over all pairs, of all texts together; compare on the same rows only"
    needs = (("bigrams",),)
    has_interval = False

    def over(self, evidence: Evidence) -> Over:
        """A table of rows by pairs, then one product for all resamples."""
        from scipy.sparse import csr_array

        lists = evidence["bigrams"].tolist()
        sizes = np.array([len(pairs) for pairs in lists])
        codes: dict[object, int] = {}
        columns = [codes.setdefault(pair, len(codes)) for pair in chain.from_iterable(lists)]
        rows = np.repeat(np.arange(len(lists)), sizes)
        there = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(lists), max(1, len(codes))))

        def figures(counts: Array) -> Array:
            seen = csr_array((counts > 0).astype(np.float32)) @ there
            return divide(np.diff(seen.indptr).astype(np.float64), counts @ sizes)

        return figures
