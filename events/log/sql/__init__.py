"""What logs in SQL databases share: reading, checking a batch, and the thread that writes."""
