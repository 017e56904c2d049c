"""What do the records mean? Pure folds, and the stored views built from them."""
