"""Weight pruners: which weights go next (`cupel.methods.weight_masks.Pruner` is the protocol)."""
