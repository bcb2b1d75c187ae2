"""The engines that enumerate partitions, one file each; see `exact.engines.base` for what they share."""
