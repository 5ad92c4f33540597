"""Questions with answers that were computed beside chatcore, and the score of its analyst on them."""
