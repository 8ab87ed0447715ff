"""Optimisers of a model's weights, used as those of `torch.optim` are. A file each, its class named after the file."""
