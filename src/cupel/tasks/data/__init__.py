"""Random data in the shapes and with the skew of real data; nothing is downloaded."""
