"""From a claimed delivery to an outcome: rendering, signing, the guarded exit."""
