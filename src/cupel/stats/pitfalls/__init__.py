"""Rules of `cupel lint`: one file each, found by listing this folder."""
