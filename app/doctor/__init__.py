"""What an operator runs when it does not work, to look at each part once; may import what `main` may."""
