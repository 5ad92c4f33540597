"""What servers are put through; bench/README.md says what each figure is."""
