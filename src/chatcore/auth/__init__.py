"""Who somebody is: what a token claims, whose signature it bears, the keys to check that with, and tickets."""
