"""Train a classifier on features of a frozen network, and score every video by one that has not seen anything like it.

The features are computed once (:mod:`facetell.train.features`). Members, small perceptrons that differ in what features
they see, what they are trained on and by chance, are trained for each fold of a grouped cross-validation
(:mod:`facetell.datasets.folds`) and once on everything; their logits are averaged. A sum of perceptrons is a wider one,
which the network gets as its classifier.
"""
