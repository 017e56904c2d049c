"""What runs beside the engine? The loop thread, subscriptions, the inbox worker."""
