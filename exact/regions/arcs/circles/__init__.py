"""Many great circles through one hidden layer at once: batches of arc partitions."""
